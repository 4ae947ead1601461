import math
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from stages.evaluate.export import export
from tests.tiny import documents, model_and_train, write_tiny_tokenizer, write_tokens
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import TokenSplit, read_split
from tohum.model.determinism import set_determinism
from tohum.model.network import Network
from tohum.model.scoring import (
    Window,
    bits_per_byte,
    document_windows,
    sampled,
    token_sizes,
    validation_windows,
)

LENGTHS = st.integers(8, 40)
SIZES = st.integers(1, 300)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation") / "tokenizer"
    write_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def split(tokenizer_folder: Path) -> TokenSplit:
    texts = documents(12)
    folder = tokenizer_folder.parent / "tokens"
    return read_split(write_tokens(folder, tokenizer_folder, texts, texts), "val")


def random_network(context_length: int) -> tuple[Network, PreTrainedModel]:
    """A network, and the same as a model of transformers."""
    config, run = model_and_train(
        f"model.context_length={context_length}",
        f"train.tokens_per_step={context_length}",
        f"train.micro_batch_tokens={context_length}",
        "model.initializer_range=0.5",  # far from uniform, so that an error shows
    )
    set_determinism(run.seed, run.threads)
    network = Network(config, vocab_size=300)
    return network, export(network.state_dict(), config)


def scored_places(window: Window) -> list[int]:
    """The places in the document of what a window scores; ids are their own places here."""
    return [int(id) for id in window.ids[len(window.ids) - window.scored :]]


@given(SIZES, LENGTHS)
def test_every_id_but_the_first_is_scored_once(size: int, length: int) -> None:
    windows = document_windows(numpy.arange(size), length)
    assert [place for window in windows for place in scored_places(window)] == list(range(1, size))


@given(SIZES, LENGTHS)
def test_no_window_is_longer_than_the_context_and_one_target(size: int, length: int) -> None:
    for window in document_windows(numpy.arange(size), length):
        assert 0 < window.scored < len(window.ids) <= length + 1


@given(SIZES, LENGTHS)
def test_ids_are_predicted_from_half_a_context_or_all_before_them(size: int, length: int) -> None:
    for window in document_windows(numpy.arange(size), length):
        for place in scored_places(window):
            assert place - int(window.ids[0]) >= min(place, length // 2)


def test_windows_are_those_of_each_document_in_order(split: TokenSplit) -> None:
    windows = validation_windows(split, 16)
    assert sum(window.scored for window in windows) == len(split.ids) - 12
    expected = [
        window.ids.tolist()
        for number in range(12)
        for window in document_windows(split.document(number), 16)
    ]
    assert [window.ids.tolist() for window in windows] == expected


def test_a_sample_is_spread_over_the_documents_and_has_about_the_size(split: TokenSplit) -> None:
    windows = validation_windows(split, 16)
    total = sum(window.scored for window in windows)
    chosen = sampled(windows, total // 4)
    assert total / 8 < sum(window.scored for window in chosen) < total / 2
    assert chosen[0] is windows[0]
    assert any(chosen[-1] is window for window in windows[-4:])
    assert sampled(windows, 10 * total) == windows


def test_token_sizes_add_up_to_the_bytes_of_a_text(tokenizer_folder: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_folder)
    sizes = token_sizes(tokenizer)
    for text in [*documents(20), "é中\U0001f600\x00\xa0", "<|endoftext|>"]:
        assert sizes[tokenizer.encode(text).ids].sum() == len(text.encode())


def test_special_tokens_have_no_size(tokenizer_folder: Path) -> None:
    sizes = token_sizes(load_tokenizer(tokenizer_folder))
    assert sizes.shape == (300,)
    assert not sizes[: len(SPECIAL_TOKENS)].any()
    assert (sizes[len(SPECIAL_TOKENS) :] > 0).all()


@torch.inference_mode()
def bits(model: Any, ids: list[int]) -> float:
    """The bits of all ids but the first, each predicted from all before it."""
    logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    chances = torch.log_softmax(logits, dim=-1)
    return -sum(float(chances[at, id]) for at, id in enumerate(ids[1:])) / math.log(2)


@pytest.mark.parametrize("batch_windows", [1, 5])
def test_bits_per_byte_is_that_of_each_document_alone(
    split: TokenSplit, tokenizer_folder: Path, batch_windows: int
) -> None:
    network, model = random_network(context_length=256)
    sizes = token_sizes(load_tokenizer(tokenizer_folder))
    windows = validation_windows(split, 256)
    assert len(windows) == 12
    expected = sum(bits(model, split.document(number).tolist()) for number in range(12))
    found = bits_per_byte(network, windows, sizes, batch_windows, CPU)
    assert found == pytest.approx(expected / split.bytes, rel=1e-5)


def test_bits_per_byte_of_long_documents_is_that_of_their_windows(
    split: TokenSplit, tokenizer_folder: Path
) -> None:
    network, model = random_network(context_length=16)
    sizes = token_sizes(load_tokenizer(tokenizer_folder))
    windows = validation_windows(split, 16)
    assert len(windows) > 24
    expected = 0.0
    for window in windows:
        given = [int(id) for id in window.ids]
        expected += bits(model, given)
        if len(given) - 1 > window.scored:
            expected -= bits(model, given[: len(given) - window.scored])
    found = bits_per_byte(network, windows, sizes, 7, CPU)
    assert found == pytest.approx(expected / split.bytes, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_in_its_mode(
    split: TokenSplit, tokenizer_folder: Path, training: bool
) -> None:
    network = random_network(context_length=16)[0].train(training)
    sizes = token_sizes(load_tokenizer(tokenizer_folder))
    bits_per_byte(network, validation_windows(split, 16)[:1], sizes, 1, CPU)
    assert network.training == training
