from typing import Any

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.train.middles import (
    MARKS,
    middle_order,
    middle_window,
    reading_order,
)
from tests.stages.train.streams import DOCUMENTS, Document, stream_of, word
from tohum.formats.special_tokens import END_OF_TEXT_ID, MIDDLE_ID, PREFIX_ID, SUFFIX_ID

EPOCHS = st.integers(0, 999)
SHARES = st.sampled_from([0.0, 0.5, 1.0])


def texts(count: int, words: int) -> tuple[Any, Any]:
    return stream_of([words] * count)


@given(st.integers(0, 60), st.booleans(), st.data())
def test_any_cut_of_a_text_is_undone(size: int, whole: bool, data: st.DataObject) -> None:
    ids, _ = stream_of([size])
    ids = ids if whole else ids[1:]
    first = data.draw(st.integers(0, size))
    second = data.draw(st.integers(first, size))
    reordered = middle_order(ids, first, second)
    assert len(reordered) == len(ids) + 3
    assert reading_order(reordered).tolist() == ids.tolist()


def test_the_parts_stand_behind_their_tokens() -> None:
    ids, _ = stream_of([5])
    assert middle_order(ids, 1, 3).tolist() == [
        END_OF_TEXT_ID,
        *[PREFIX_ID, word(0)],
        *[SUFFIX_ID, word(3), word(4)],
        *[MIDDLE_ID, word(1), word(2)],
    ]


@given(st.lists(DOCUMENTS, min_size=1, max_size=6), EPOCHS, SHARES, st.data())
def test_a_window_has_its_size_and_loses_only_a_few_ids_at_its_end(
    documents: list[Document], epoch: int, share: float, data: st.DataObject
) -> None:
    ids, offsets = stream_of(documents)
    start = data.draw(st.integers(0, len(ids) - 1))
    size = data.draw(st.integers(1, len(ids) - start))
    window = middle_window(ids, offsets, start, size, 7, epoch, share)
    assert window.dtype == ids.dtype
    assert len(window) == size
    back, before = reading_order(window), ids[start : start + size]
    assert back.tolist() == before[: len(back)].tolist()
    assert size - len(back) <= MARKS * max(1, int((window == MIDDLE_ID).sum()))


@given(st.lists(DOCUMENTS, min_size=1, max_size=6), EPOCHS)
def test_a_window_is_a_function_of_its_arguments(documents: list[Document], epoch: int) -> None:
    ids, offsets = stream_of(documents)
    one, two = (middle_window(ids, offsets, 0, len(ids), 1, epoch, 0.5) for _ in range(2))
    assert one.tolist() == two.tolist()


@given(st.lists(DOCUMENTS, min_size=1, max_size=6), EPOCHS)
def test_conversations_stay_as_they_are(documents: list[Document], epoch: int) -> None:
    conversations = [document for document in documents if not isinstance(document, int)]
    assume(conversations)
    ids, offsets = stream_of(list(conversations))
    start = epoch % len(ids)
    window = middle_window(ids, offsets, start, len(ids) - start, 0, epoch, 1.0)
    assert window.tolist() == ids[start:].tolist()


def test_a_window_inside_a_long_answer_stays_as_it_is() -> None:
    ids, offsets = stream_of([[("user", 1), ("assistant", 100)]])
    assert middle_window(ids, offsets, 20, 50, 0, 0, 1.0).tolist() == ids[20:70].tolist()


def test_a_filled_middle_ends_with_end_of_text() -> None:
    ids, offsets = texts(4, 100)
    for start in range(0, 300, 7):
        window = middle_window(ids, offsets, start, 100, 0, 0, 1.0).tolist()
        for place in (place for place, id in enumerate(window) if id == MIDDLE_ID):
            assert END_OF_TEXT_ID in window[place:]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_about_the_share_of_the_windows_is_reordered(share: float) -> None:
    ids, offsets = texts(1, 50_000)
    starts = range(0, 48_000, 40)
    reordered = sum(
        MIDDLE_ID in middle_window(ids, offsets, start, 40, 3, 0, share) for start in starts
    )
    assert reordered / len(starts) == pytest.approx(share, abs=0.05)


def test_half_of_the_texts_have_no_prefix_and_the_cuts_are_spread_over_them() -> None:
    ids, offsets = texts(1, 40_000)
    windows = (middle_window(ids, offsets, start, 43, 0, 0, 1.0) for start in range(1, 39_000, 43))
    lengths = numpy.array(
        [[(w == SUFFIX_ID).argmax() - 1, 42 - (w == MIDDLE_ID).argmax() - 1] for w in windows]
    )
    empty = lengths[:, 0] == 0
    assert empty.mean() == pytest.approx(0.5, abs=0.06)
    assert lengths[~empty].mean(0) == pytest.approx([39 / 3, 39 / 3], abs=1.5)  # a third each
    assert lengths[empty].mean(0) == pytest.approx([0, 39 * 2 / 3], abs=1.5)
    assert lengths[:, 1].min() == 0


def test_another_epoch_and_another_seed_cut_elsewhere() -> None:
    ids, offsets = texts(1, 400)
    found = {
        tuple(middle_window(ids, offsets, 0, 300, seed, epoch, 1.0).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(found) == 9
