"""Which targets of a training window count in the loss.

In a text document every token counts, and so does the <|endoftext|> after it, which teaches the
model to stop. In a conversation the assistant's words and their <|end|> count. Role tokens and
fill-in-the-middle tokens never do: whoever prompts the model writes them.

What a token belongs to follows from the last *control token* before it: <|endoftext|>, a role, or
<|end|>. A document's content never has one, because the encode stage reads special tokens in a text
as plain characters. So a window needs one thing from outside, the control token before its first
id, and the loader keeps no state:

    window = ids[start : start + length + 1]
    counted = target_mask(window, control_before(ids, offsets, start))  # (length,) of window[1:]
    targets = numpy.where(counted, window[1:], -100)

A window reordered by stages.train.middles is masked the same way, with the same control token.
`has_conversations` says whether a stream needs masks at all when its text is in reading order.
"""

from typing import Any

import numpy

from tohum.formats.special_tokens import (
    END_ID,
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PREFIX_ID,
    ROLE_IDS,
    SPECIAL_TOKENS,
    SUFFIX_ID,
)

Ids = numpy.ndarray[Any, Any]

ROLES = tuple(ROLE_IDS.values())
CONTROLS = (END_OF_TEXT_ID, *ROLES, END_ID)
GIVEN = (*ROLES, PREFIX_ID, MIDDLE_ID, SUFFIX_ID)
ASSISTANT_ID = ROLE_IDS["assistant"]


def _table(ids: tuple[int, ...]) -> numpy.ndarray[Any, Any]:
    table = numpy.zeros(len(SPECIAL_TOKENS) + 1, bool)  # the last entry is for all other tokens
    table[list(ids)] = True
    return table


IS_CONTROL, IS_GIVEN = _table(CONTROLS), _table(GIVEN)


def target_mask(window: Ids, before: int) -> numpy.ndarray[Any, Any]:
    """Returns which of `window[1:]` count: (n - 1,) of bool for a window of n ids.

    Args:
        window: neighbouring ids of the stream, (n,).
        before: the last control token before the window, from `control_before`.
    """
    kinds = numpy.minimum(window, len(SPECIAL_TOKENS))  # all ordinary ids are of one kind
    places = numpy.where(IS_CONTROL[kinds], numpy.arange(len(window)), -1)
    last = numpy.maximum.accumulate(places)[:-1]  # for each target: the control token before it
    control = numpy.where(last >= 0, kinds[last], before)
    answer = (control == ASSISTANT_ID) & (kinds[1:] != END_OF_TEXT_ID)
    counted: numpy.ndarray[Any, Any] = ((control == END_OF_TEXT_ID) | answer) & ~IS_GIVEN[kinds[1:]]
    return counted


def control_before(ids: Ids, offsets: Ids, place: int) -> int:
    """Returns the last control token before a place in the stream.

    Only a conversation is searched, and only back to its start.

    Args:
        ids: the stream, (tokens,).
        offsets: where each document starts, and the total: (documents + 1,).
        place: of the window's first id; the result at the start of the stream is <|endoftext|>.
    """
    if place == 0:
        return END_OF_TEXT_ID
    document = document_at(offsets, place - 1)
    if not is_conversation(ids, offsets, document):
        return END_OF_TEXT_ID
    start = int(offsets[document])
    kinds = numpy.minimum(ids[start:place], len(SPECIAL_TOKENS))
    return int(kinds[numpy.flatnonzero(IS_CONTROL[kinds])[-1]])


def document_at(offsets: Ids, place: int) -> int:
    """Returns the number of the document that contains a place in the stream."""
    # With a Python int, numpy would first copy all the offsets as floats.
    return int(numpy.searchsorted(offsets, offsets.dtype.type(place), side="right")) - 1


def is_conversation(ids: Ids, offsets: Ids, document: int) -> bool:
    """Whether a document's first token after <|endoftext|> is a role."""
    first = int(offsets[document]) + 1
    return first < int(offsets[document + 1]) and int(ids[first]) in ROLES


def has_conversations(ids: Ids, offsets: Ids) -> bool:
    """Whether any document in the stream is a conversation."""
    firsts = offsets[:-1][numpy.diff(offsets) > 1] + offsets.dtype.type(1)
    return bool(numpy.isin(ids[firsts], ROLES).any())
