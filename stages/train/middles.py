"""Fill-in-the-middle: some of the text is put into the order prefix, suffix, middle.

Bavarian et al. 2022 (https://arxiv.org/abs/2207.14255): a model that sees a share of its text as
<|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle <|endoftext|> learns to fill in,
at little or no cost to writing from left to right. As there, half of these texts leave the first
place empty, and the prefix stands before its middle, without a mark (SPM):
<|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle <|endoftext|>. To fill in that
order is to write on, with a look at what comes after, which small models learn first; and an
editor's server has read the suffix already when the next letter of the prefix comes. The other
order (PSM) is what other programs ask for, and makes a model learn to copy earlier.

Two more of the paper's choices are kept: all three parts come from one window ("context-level": if
a document of thousands of tokens were reordered whole, a context of 256 would hardly ever hold all
three), and the two cuts are uniform. One is not: the cuts fall between tokens, not characters,
because the stream holds tokens.

The loader stays stateless: a hash of the seed, the epoch and the piece's place in the stream, which
also identifies the document, decides what happens to a piece of text.

    window = middle_window(ids, offsets, start, length + 1, seed, epoch, share)  # always length + 1

The tokens that mark the parts take room, so the last few ids of the window (at most 4 for each
reordered piece) are left out; another epoch, cut at another offset, has them. Conversations stay
unchanged. `reading_order` is the inverse.
"""

import hashlib
import struct
from itertools import pairwise
from typing import Any

import numpy

from stages.train.masks import document_at, is_conversation
from tohum.formats.special_tokens import END_OF_TEXT_ID, MIDDLE_ID, PREFIX_ID, SUFFIX_ID

Ids = numpy.ndarray[Any, Any]

MARKS = 4  # the three parts' tokens, and the <|endoftext|> that may have to end the middle
SHORTEST = 8  # ids in a piece of text; a shorter one has nothing to fill in


def middle_window(
    ids: Ids, offsets: Ids, start: int, size: int, seed: int, epoch: int, share: float
) -> Ids:
    """Returns a window of `size` ids that begins at `start`, a share of its text reordered.

    Args:
        ids: the stream, (tokens,).
        offsets: where each document starts, and the total: (documents + 1,).
        start: where the window begins; start + size is at most the stream's length.
        size: the length of the result, (size,) of the stream's dtype.
        seed: of the run.
        epoch: number of the pass over the stream.
        share: share of the pieces of text that are reordered, in [0, 1].
    """
    window = ids[start : start + size]
    if share <= 0:
        return window
    parts: list[Ids] = []
    room = size
    for document, first, last in _pieces(offsets, start, start + size):
        piece = ids[first:last]
        drawn, one, two, order = _draws(seed, epoch, first)
        chosen = drawn < share * 2.0**64 and not is_conversation(ids, offsets, document)
        if chosen and min(len(piece), room - MARKS) >= SHORTEST:
            kept = piece[: room - MARKS]
            parts.append(_cut_in_three(kept, one, two, order))
            if len(kept) < len(piece):  # else the next document's <|endoftext|> ends the middle
                parts.append(numpy.array([END_OF_TEXT_ID], ids.dtype))
        else:
            parts.append(piece[:room])
        room = size - sum(map(len, parts))
        if room == 0:
            break
    return numpy.concatenate(parts)


def middle_order(ids: Ids, first: int, second: int) -> Ids:
    """Returns a text's ids as prefix, suffix and middle, each part after its token.

    <|endoftext|> at the text's start stays there.

    Args:
        ids: the whole text or a piece of it, (n,).
        first: where the middle begins, counted without <|endoftext|>; 0: the prefix is part of it.
        second: where it ends; the suffix begins there.
    """
    head = int(len(ids) > 0 and ids[0] == END_OF_TEXT_ID)
    text = ids[head:]
    prefix, middle, suffix = text[:first], text[first:second], text[second:]
    marks = numpy.array([PREFIX_ID, SUFFIX_ID, MIDDLE_ID], ids.dtype)
    return numpy.concatenate([ids[:head], marks[:1], prefix, marks[1:2], suffix, marks[2:], middle])


def reading_order(ids: Ids) -> Ids:
    """Returns the ids of consecutive texts as they were before `middle_order`.

    An <|endoftext|> that ends a filled middle at the very end is left out: `middle_window` added
    it, or it starts a document of which nothing else is present.
    """
    starts = [0, *numpy.flatnonzero(ids == END_OF_TEXT_ID).tolist(), len(ids)]
    parts, filled = [], False
    for start, end in pairwise(starts):
        piece = ids[start:end]
        if filled and end == len(ids) and len(piece) == 1:
            break
        prefix, suffix, middle = (
            numpy.flatnonzero(piece == id) for id in (PREFIX_ID, SUFFIX_ID, MIDDLE_ID)
        )
        filled = len(middle) > 0
        if filled:
            a, b, c = int(prefix[0]), int(suffix[0]), int(middle[0])
            parts += [piece[:a], piece[a + 1 : b], piece[c + 1 :], piece[b + 1 : c]]
        else:
            parts.append(piece)
    return numpy.concatenate(parts) if parts else ids[:0]


def _pieces(offsets: Ids, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Returns each document's number between two places, and where its part begins and ends."""
    first, last = document_at(offsets, start), document_at(offsets, stop - 1)
    return [
        (document, max(start, int(offsets[document])), min(stop, int(offsets[document + 1])))
        for document in range(first, last + 1)
    ]


def _cut_in_three(piece: Ids, one: int, two: int, order: int) -> Ids:
    places = len(piece) - int(piece[0] == END_OF_TEXT_ID) + 1
    first, second = sorted(draw * places >> 64 for draw in (one, two))
    return middle_order(piece, 0 if order % 2 else first, second)


def _draws(seed: int, epoch: int, place: int) -> tuple[int, int, int, int]:
    """Returns four numbers below 2**64 that depend only on the arguments."""
    digest = hashlib.blake2b(struct.pack("<3Q", seed, epoch, place), digest_size=32).digest()
    one, two, three, four = struct.unpack("<4Q", digest)
    return one, two, three, four
