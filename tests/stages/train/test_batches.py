import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.train.batches import Windows, repeated
from tohum.errors import UserError
from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import END_ID, MIDDLE_ID, PREFIX_ID, SUFFIX_ID
from tohum.formats.tokens import OFFSET_DTYPE, TokenSplit
from tohum.model.loss import IGNORED

LENGTHS = st.integers(1, 9)
SIZES = st.integers(18, 200)
SEEDS = st.integers(0, 2**32 - 1)


BASE = 300  # above the special tokens


def stream(size: int) -> TokenSplit:
    """One document, whose ids are their own place in the stream, from BASE on."""
    ids = numpy.arange(BASE, BASE + size, dtype=numpy.uint16)
    return TokenSplit(ids, numpy.array([0, size], OFFSET_DTYPE), size)


def epoch(windows: Windows, number: int) -> list[list[int]]:
    """The windows of an epoch: their ids, the last of which is a target only."""
    inputs, targets = windows.batch(number * windows.per_epoch, windows.per_epoch)
    return (torch.cat([inputs, targets[:, -1:]], dim=1) - BASE).tolist()


@given(SIZES, LENGTHS, SEEDS, st.integers(0, 5))
def test_every_window_of_an_epoch_comes_once(
    size: int, length: int, seed: int, number: int
) -> None:
    rows = sorted(epoch(Windows(stream(size), length, seed), number))
    offset = rows[0][0]
    assert 0 <= offset < length
    assert rows == [
        list(range(start, start + length + 1))
        for start in range(offset, offset + len(rows) * length, length)
    ]


@given(SIZES, LENGTHS, SEEDS)
def test_an_epoch_leaves_out_less_than_two_windows(size: int, length: int, seed: int) -> None:
    windows = Windows(stream(size), length, seed)
    assert 0 <= size - 1 - windows.per_epoch * length < 2 * length


@given(SIZES, LENGTHS, SEEDS, st.integers(0, 100), st.integers(1, 20))
def test_a_batch_depends_on_seed_and_number_alone(
    size: int, length: int, seed: int, first: int, count: int
) -> None:
    used = Windows(stream(size), length, seed)
    for other in (first + 300, 0, first + 1):
        used.batch(other, 3)
    inputs, targets = Windows(stream(size), length, seed).batch(first, count)
    again = used.batch(first, count)
    assert torch.equal(inputs, again[0])
    assert torch.equal(targets, again[1])


@given(st.integers(0, 50), st.integers(1, 6), st.integers(1, 6))
def test_a_batch_is_the_same_in_one_piece_or_in_two(first: int, one: int, two: int) -> None:
    windows = Windows(stream(100), 7, seed=3)
    whole = windows.batch(first, one + two)[0]
    pieces = [windows.batch(first, one)[0], windows.batch(first + one, two)[0]]
    assert torch.equal(whole, torch.cat(pieces))


def test_targets_are_the_ids_that_follow() -> None:
    inputs, targets = Windows(stream(100), 7, seed=0).batch(0, 5)
    assert inputs.shape == targets.shape == (5, 7)
    assert inputs.dtype == targets.dtype == torch.int64
    assert torch.equal(targets, inputs + 1)


def test_epochs_differ_in_order_and_offset() -> None:
    windows = Windows(stream(400), 10, seed=0)
    starts = [[row[0] for row in epoch(windows, number)] for number in range(4)]
    offsets = [min(epoch_starts) for epoch_starts in starts]
    orders = [[(start - min(row)) // 10 for start in row] for row in starts]
    assert len(set(offsets)) > 1
    assert len({tuple(order) for order in orders}) == 4
    assert all(order != sorted(order) for order in orders)


def test_another_seed_gives_another_order() -> None:
    one, two = (epoch(Windows(stream(400), 10, seed), 0) for seed in (0, 1))
    assert one != two


@given(LENGTHS)
def test_the_smallest_split_has_twice_the_length(length: int) -> None:
    assert Windows(stream(2 * length), length, seed=0).per_epoch == 1
    with pytest.raises(UserError):
        Windows(stream(2 * length - 1), length, seed=0)


def test_too_small_a_split_is_refused_with_the_length_that_fits() -> None:
    message = r"has 51 tokens, too few for .* \(65\) .*lower model\.context_length to 25 or less"
    with pytest.raises(UserError, match=message):
        Windows(stream(51), 64, seed=0)
    assert Windows(stream(51), 25, seed=0).per_epoch == 1


def test_a_share_of_the_text_is_learnt_from_both_sides() -> None:
    split = stream(4000)
    inputs, targets = Windows(split, 50, seed=1, fim_share=0.5).batch(0, 70)
    marks = torch.isin(inputs, torch.tensor([PREFIX_ID, SUFFIX_ID, MIDDLE_ID]))
    reordered = marks.sum(1)
    assert set(reordered.tolist()) == {0, 3}
    assert 20 < int((reordered == 3).sum()) < 50
    assert not torch.isin(targets, torch.tensor([PREFIX_ID, SUFFIX_ID, MIDDLE_ID])).any()
    plain = reordered == 0
    assert torch.equal(targets[plain], inputs[plain] + 1)
    again = Windows(split, 50, seed=1, fim_share=0.5).batch(0, 70)
    assert torch.equal(again[0], inputs) and torch.equal(again[1], targets)


def test_of_a_conversation_only_the_answers_are_targets() -> None:
    words = ([400, 401], [500, 501], [402], [502])
    messages = list(zip(("user", "assistant") * 2, words, strict=True))
    record = {"messages": [{"role": role, "content": ""} for role, _ in messages]}
    ids: list[int] = []
    for part, (_, text) in zip(marked_texts(record), messages, strict=True):
        ids += [*part.before, *text, *part.after]
    stream_ids = numpy.array(ids * 9, numpy.uint16)
    offsets = numpy.arange(0, len(stream_ids) + 1, len(ids)).astype(OFFSET_DTYPE)
    windows = Windows(TokenSplit(stream_ids, offsets, 9), 7, seed=0, fim_share=0.5)
    _, targets = windows.batch(0, windows.per_epoch)
    learnt = set(targets.flatten().tolist()) - {IGNORED}
    assert learnt == {500, 501, 502, END_ID}


@given(st.integers(1, 200), LENGTHS)
def test_a_small_split_is_repeated_until_it_fills_a_window(size: int, length: int) -> None:
    split = TokenSplit(numpy.arange(size), numpy.array([0, size // 2, size], numpy.uint64), size)
    long = repeated(split, length)
    times = len(long.ids) // size
    assert Windows(long, length, seed=0).per_epoch >= 1
    assert (times == 1) == (size >= 2 * length) and (times - 1) * size < 2 * length
    assert (long.ids == numpy.arange(size).tolist() * times).all()
    assert long.bytes == times * size and len(long.offsets) == 2 * times + 1
    for number in range(2 * times):
        assert (long.document(number) == split.document(number % 2)).all()
