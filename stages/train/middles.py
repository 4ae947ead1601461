"""Fill-in-the-middle: some of the text is put into the order suffix, prefix, middle.

Bavarian et al. 2022 (https://arxiv.org/abs/2207.14255): a model that sees a share of its text in
another order learns to fill in, at little or no cost to writing from left to right. Of the paper's
two orders this is SPM, as Code Llama has it: <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|>
prefix middle <|endoftext|>. The middle follows its prefix without a mark, so filling in is writing
on with a look at what comes after, which a small model learns in minutes; of the other order, in
which the suffix stands between, the default model learns nothing. And an editor's server has read
the suffix already when the next letter of the prefix comes.

Two of the paper's choices are kept: all parts come from one window ("context-level": if a document
of thousands of tokens were reordered whole, a short context would hardly ever hold all of it), and
the cuts are uniform: the suffix begins at the later of two. Where the middle begins, at the
earlier, leaves no trace. One choice is not: the cuts fall between tokens, not characters, because
the stream holds tokens.

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

MARKS = 4  # three tokens, and the <|endoftext|> that may have to end the middle
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
        drawn, one, two = _draws(seed, epoch, first)
        chosen = drawn < share * 2.0**64 and not is_conversation(ids, offsets, document)
        if chosen and min(len(piece), room - MARKS) >= SHORTEST:
            kept = piece[: room - MARKS]
            parts.append(_reordered(kept, one, two))
            if len(kept) < len(piece):  # else the next document's <|endoftext|> ends the middle
                parts.append(numpy.array([END_OF_TEXT_ID], ids.dtype))
        else:
            parts.append(piece[:room])
        room = size - sum(map(len, parts))
        if room == 0:
            break
    return numpy.concatenate(parts)


def middle_order(ids: Ids, cut: int) -> Ids:
    """Returns a text's ids as suffix, prefix and middle, with the tokens that mark them.

    <|endoftext|> at the text's start stays there.

    Args:
        ids: the whole text or a piece of it, (n,).
        cut: where the middle ends and the suffix begins, counted without <|endoftext|>.
    """
    head = int(len(ids) > 0 and ids[0] == END_OF_TEXT_ID)
    text = ids[head:]
    marks = numpy.array([PREFIX_ID, SUFFIX_ID, MIDDLE_ID], ids.dtype)
    return numpy.concatenate([ids[:head], marks[:2], text[cut:], marks[2:], text[:cut]])


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
        prefix, middle = (numpy.flatnonzero(piece == id) for id in (PREFIX_ID, MIDDLE_ID))
        filled = len(middle) > 0
        if filled:
            head, cut = int(prefix[0]), int(middle[0])
            parts += [piece[:head], piece[cut + 1 :], piece[head + 2 : cut]]
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


def _reordered(piece: Ids, one: int, two: int) -> Ids:
    places = len(piece) - int(piece[0] == END_OF_TEXT_ID) + 1
    return middle_order(piece, max(one, two) * places >> 64)


def _draws(seed: int, epoch: int, place: int) -> tuple[int, int, int]:
    """Returns three numbers below 2**64 that depend only on the arguments."""
    digest = hashlib.blake2b(struct.pack("<3Q", seed, epoch, place), digest_size=24).digest()
    one, two, three = struct.unpack("<3Q", digest)
    return one, two, three
