"""The text that the baselines read: all of it, or as much as a limit allows.

Documents are spread evenly over the corpus, in its order, so a limit changes how much is read but
not what kind of text.
"""

from typing import Any

import numpy

from tohum.formats.tokens import TokenSplit

Ids = numpy.ndarray[Any, Any]


def spread(split: TokenSplit, sizes: Ids, limit: int) -> list[Ids]:
    """Returns documents with at most `limit` bytes of text in total, <|endoftext|> first in each.

    Args:
        split: the documents to choose from.
        sizes: the bytes that each id stands for, from `token_sizes`.
        limit: bytes.
    """
    numbers = numpy.arange(len(split.offsets))
    steps = numpy.floor(numbers * min(1.0, limit / max(1, split.bytes)))
    chosen = []
    left = limit
    for number in numpy.flatnonzero(steps[1:] > steps[:-1]):
        ids = split.document(int(number))
        size = int(sizes[ids].sum())
        if size <= left:
            chosen.append(ids)
            left -= size
    return chosen


def text_of(ids: Ids, vocabulary: list[bytes]) -> bytes:
    """Returns the text that ids stand for; special tokens stand for none."""
    return b"".join(map(vocabulary.__getitem__, ids.tolist()))
