"""Streams of ids with texts and conversations, made of words that are no special tokens."""

from typing import Any

import numpy
from hypothesis import strategies as st

from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, ROLE_IDS, SPECIAL_TOKENS
from tohum.formats.tokens import OFFSET_DTYPE

Document = int | list[tuple[str, int]]  # the words of a text, or of each message

TEXTS = st.integers(0, 40)
CONVERSATIONS = st.lists(
    st.tuples(st.sampled_from(sorted(ROLE_IDS)), st.integers(0, 9)), min_size=1, max_size=4
)
DOCUMENTS: st.SearchStrategy[Document] = TEXTS | CONVERSATIONS


def word(number: int) -> int:
    """The id of a document's word."""
    return len(SPECIAL_TOKENS) + number


def stream_of(documents: list[Document]) -> tuple[Any, Any]:
    """The ids (tokens,) and offsets (documents + 1,) of a split with these documents."""
    ids: list[int] = []
    offsets = [0]
    for document in documents:
        ids.append(END_OF_TEXT_ID)
        if isinstance(document, int):
            ids += map(word, range(document))
        else:
            for role, words in document:
                ids += [ROLE_IDS[role], *map(word, range(words)), END_ID]
        offsets.append(len(ids))
    return numpy.array(ids, "<u2"), numpy.array(offsets, OFFSET_DTYPE)
