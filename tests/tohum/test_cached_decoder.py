"""The decoder computes what the transformers class does, however the ids come."""

import random
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen3Config

from tohum import cached_decoder
from tohum.cached_decoder import Decoder
from tohum.compiled_decoder.passage import CompiledDecoder

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 8,
    "vocab_size": 300,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}


def model_of(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("config", [LlamaConfig, Qwen3Config])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("piece", [7, cached_decoder.PIECE])
def test_the_logits_are_those_of_transformers(
    config: Any, key_heads: int, tied: bool, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_decoder, "PIECE", piece)
    model = model_of(config(**SHAPE, num_key_value_heads=key_heads, tie_word_embeddings=tied))
    ids = random.Random(0).choices(range(300), k=40)
    with torch.inference_mode():
        expected = model(input_ids=torch.tensor([ids])).logits[0]
    passage = Decoder(model).passage()
    for size in (1, 2, 3, 20, 21, 40, 10, 11, 40, 40):
        torch.testing.assert_close(
            passage.logits(ids[:size]), expected[size - 1], rtol=0, atol=1e-3
        )


def test_what_was_read_of_another_text_does_not_count() -> None:
    model = model_of(Qwen3Config(**SHAPE, num_key_value_heads=2))
    generator = random.Random(1)
    passage = Decoder(model).passage()
    for _ in range(20):
        ids = [1, 2, 3, *generator.choices(range(300), k=generator.randint(0, 20))]
        fresh = Decoder(model).passage()
        torch.testing.assert_close(passage.logits(ids), fresh.logits(ids), rtol=0, atol=1e-4)
        assert passage.common(ids) == len(ids)


@pytest.mark.parametrize("kind", [Decoder, CompiledDecoder])
def test_what_another_passage_has_read_is_not_read_again(kind: type[Decoder]) -> None:
    decoder = kind(model_of(Qwen3Config(**SHAPE, num_key_value_heads=2)))
    ids = random.Random(2).choices(range(300), k=40)
    one, two = decoder.passage(), decoder.passage()
    expected = one.logits(ids)
    two.logits(ids[5:9])
    two.adopt(one, 38)
    assert two.common(ids) == 38
    one.logits(ids[20:])  # what it reads later is its own
    torch.testing.assert_close(two.logits(ids), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", [Decoder, CompiledDecoder])
@pytest.mark.parametrize("kept", [0, 5 * 300 * 4, 1 << 20])
def test_kept_logits_are_those_of_their_ids(
    kind: type[Decoder], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_decoder, "KEPT_SHARE", 0.5)
    monkeypatch.setattr(cached_decoder, "KEPT_BYTES", kept)
    decoder = kind(model_of(Qwen3Config(**SHAPE, num_key_value_heads=2)))
    generator, passage, other = random.Random(3), decoder.passage(), decoder.passage()
    ids = generator.choices(range(300), k=40)
    for _ in range(200):  # on, back, and to other texts, as one types and deletes
        size = generator.randint(1, 40)
        if generator.random() < 0.3:
            ids = [*ids[:size], *generator.choices(range(300), k=40 - size)]
        if generator.random() < 0.1:
            other.adopt(passage, passage.common(ids))
            passage, other = other, passage
        expected = decoder.passage().logits(ids[:size])
        torch.testing.assert_close(passage.logits(ids[:size]), expected, rtol=0, atol=1e-4)


def test_what_was_written_before_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_decoder, "KEPT_SHARE", 0.5)
    decoder = CompiledDecoder(model_of(Qwen3Config(**SHAPE, num_key_value_heads=2)))
    passage, ids = decoder.passage(), list(range(20))
    for size in range(10, 21):
        passage.logits(ids[:size])
    monkeypatch.setattr(type(passage), "_read", None)  # nothing is read from here on
    for size in (20, 10, 15, 20):
        passage.logits(ids[:size])


def test_another_kind_of_model_is_refused() -> None:
    model = model_of(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=300))
    with pytest.raises(ValueError, match="'gpt2' is not one of llama, qwen3"):
        Decoder(model)
