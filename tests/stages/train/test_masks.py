import tracemalloc
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.train.masks import control_before, document_at, has_conversations, target_mask
from stages.train.middles import middle_window
from tests.stages.train.streams import DOCUMENTS, Document, stream_of, word
from tohum.formats.special_tokens import (
    END_ID,
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PREFIX_ID,
    ROLE_IDS,
    SUFFIX_ID,
)

USER, ASSISTANT, SYSTEM = (ROLE_IDS[role] for role in ("user", "assistant", "system"))


def counted(documents: list[Document]) -> list[bool]:
    """Which ids of the stream count as targets, told document by document."""
    marks: list[bool] = []
    after_text = True
    for document in documents:
        marks.append(after_text)  # <|endoftext|> ends the text before it
        after_text = isinstance(document, int)
        if isinstance(document, int):
            marks += [True] * document
            continue
        for role, words in document:
            marks += [False, *[role == "assistant"] * (words + 1)]
    return marks


def mask(ids: Any, offsets: Any, start: int, stop: int) -> list[bool]:
    found = target_mask(ids[start:stop], control_before(ids, offsets, start))
    assert found.dtype == bool
    return [bool(value) for value in found]


def test_a_document_is_found_without_a_copy_of_all_offsets() -> None:
    offsets = numpy.arange(0, 3_000_003, 3, dtype=numpy.uint64)
    tracemalloc.start()
    try:
        found = [document_at(offsets, place) for place in (0, 2, 3, 2_999_999)]
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert found == [0, 0, 1, 999_999]


def test_the_assistants_words_and_their_end_count() -> None:
    ids, offsets = stream_of([[("system", 1), ("user", 2), ("assistant", 2)]])
    assert ids.tolist() == [
        END_OF_TEXT_ID,
        *[SYSTEM, word(0), END_ID],
        *[USER, word(0), word(1), END_ID],
        *[ASSISTANT, word(0), word(1), END_ID],
    ]
    assert mask(ids, offsets, 0, len(ids)) == [False] * 8 + [True] * 3


def test_all_of_a_text_and_the_end_of_text_behind_it_count() -> None:
    ids, offsets = stream_of([3, [("user", 1), ("assistant", 1)], 2])
    text, conversation = [True] * 3, [False] * 4 + [True, True]
    assert mask(ids, offsets, 0, len(ids)) == [
        *text,
        *[True, *conversation],
        *[False, True, True],
    ]


@given(st.lists(DOCUMENTS, min_size=1, max_size=6), st.data())
def test_any_window_has_the_mask_of_its_place_in_the_stream(
    documents: list[Document], data: st.DataObject
) -> None:
    ids, offsets = stream_of(documents)
    start = data.draw(st.integers(0, len(ids) - 1))
    stop = data.draw(st.integers(start + 1, len(ids)))
    assert mask(ids, offsets, start, stop) == counted(documents)[start + 1 : stop]


@given(st.lists(DOCUMENTS, min_size=1, max_size=6), st.data())
def test_a_reordered_window_counts_the_same_words_and_no_mark(
    documents: list[Document], data: st.DataObject
) -> None:
    ids, offsets = stream_of(documents)
    start = data.draw(st.integers(0, len(ids) - 1))
    size = len(ids) - start
    window = middle_window(ids, offsets, start, size, 0, data.draw(st.integers(0, 99)), 1.0)
    found = target_mask(window, control_before(ids, offsets, start))
    for id, counts in zip(window[1:].tolist(), found.tolist(), strict=True):
        if id in (PREFIX_ID, SUFFIX_ID, MIDDLE_ID, *ROLE_IDS.values()):
            assert not counts
    if not has_conversations(ids, offsets):
        marks = numpy.isin(window[1:], (PREFIX_ID, SUFFIX_ID, MIDDLE_ID))
        assert found.tolist() == (~marks).tolist()


@pytest.mark.parametrize(
    ("documents", "expected"),
    [([3, 0, 2], False), ([3, [("user", 1)]], True), ([[("assistant", 0)], 4], True), ([0], False)],
)
def test_a_stream_tells_whether_it_has_conversations(
    documents: list[Document], expected: bool
) -> None:
    assert has_conversations(*stream_of(documents)) is expected
