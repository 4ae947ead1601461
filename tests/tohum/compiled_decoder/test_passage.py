"""Compiled code reads as the transformers class does, and goes on from what PyTorch has read."""

import random
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, Qwen3Config

from tests.tohum.test_cached_decoder import SHAPE, model_of
from tohum.cached_decoder import Decoder
from tohum.compiled_decoder.passage import FEW, CompiledDecoder, CompiledPassage


@pytest.mark.parametrize("config", [LlamaConfig, Qwen3Config])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
@pytest.mark.parametrize("tied", [True, False])
def test_compiled_logits_are_those_of_transformers(config: Any, key_heads: int, tied: bool) -> None:
    model = model_of(config(**SHAPE, num_key_value_heads=key_heads, tie_word_embeddings=tied))
    ids = random.Random(0).choices(range(300), k=40)
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([ids])).logits[0]
    passage = CompiledDecoder(model).passage()
    assert isinstance(passage, CompiledPassage)
    for size in (1, 2, 3, 3 + FEW, 4 + 2 * FEW, 21, 40, 10, 11, 40, 40):
        torch.testing.assert_close(
            passage.logits(ids[:size]), expected[size - 1], rtol=0, atol=1e-3
        )


def test_reading_leaves_the_number_of_threads_as_it_was() -> None:
    passage = CompiledPassage(Decoder(model_of(LlamaConfig(**SHAPE))))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    passage.logits(list(range(2 * FEW)))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_weights_that_are_not_float32_are_read_by_pytorch() -> None:
    model = model_of(LlamaConfig(**SHAPE)).to(torch.bfloat16)
    assert not isinstance(CompiledDecoder(model).passage(), CompiledPassage)
