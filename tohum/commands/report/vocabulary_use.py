"""What is in the tokenizer, and how much of it the training tokens use."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from tohum.commands.report.readable_tokens import ReadablePiece, named, pieces_of
from tohum.formats.special_tokens import END_OF_TEXT_ID, SPECIAL_TOKENS
from tohum.formats.tokens import TokenSplit

MOST_TOKENS = 100_000_000  # of the training tokens are counted: two seconds
PART = 1 << 20


@dataclass
class VocabularyUse:
    """The entries by name: the longest, the most used with their counts, and those that none of
    the `counted` training tokens is; `text` is a held-out document in tokens.
    """

    entries: int
    counted: int
    longest: list[str]
    most_used: list[tuple[str, int]]
    unused: list[str]
    unused_count: int
    text: list[ReadablePiece]


def vocabulary_use(
    vocabulary: list[bytes], train: TokenSplit, held_out: TokenSplit, entries: int, tokens: int
) -> VocabularyUse:
    """Returns what is in a tokenizer.

    Args:
        vocabulary: the bytes of each id.
        train: the tokens that are counted.
        held_out: the documents of which one is shown.
        entries: how many are listed of each kind.
        tokens: how many are shown of a document.
    """
    counts, counted = count_entries(train.ids, len(vocabulary))
    own = range(len(SPECIAL_TOKENS), len(vocabulary))
    longest = sorted(own, key=lambda id: (-len(vocabulary[id]), id))[:entries]
    used = sorted(own, key=lambda id: (-counts[id], id))[:entries]
    # merged ones first: of the 256 bytes, some are in no text
    unused = sorted((id for id in own if not counts[id]), key=lambda id: len(vocabulary[id]) == 1)
    document = _long_enough(held_out, tokens)
    return VocabularyUse(
        len(vocabulary),
        counted,
        [named(id, vocabulary) for id in longest],
        [(named(id, vocabulary), int(counts[id])) for id in used if counts[id]],
        [named(id, vocabulary) for id in unused[:entries]],
        len(unused),
        pieces_of((int(id) for id in document[:tokens] if id != END_OF_TEXT_ID), vocabulary),
    )


def count_entries(
    ids: numpy.ndarray[Any, Any], entries: int, most: int = MOST_TOKENS
) -> tuple[numpy.ndarray[Any, Any], int]:
    """Returns how often each entry stands in ids, (entries,), and of how many that is: all, or
    evenly spaced parts of together about `most`.
    """
    starts = range(0, len(ids), PART)
    every = max(1, -(-len(ids) // most))
    counts, counted = numpy.zeros(entries, numpy.int64), 0
    for start in starts[::every]:
        part = ids[start : start + PART]
        counts += numpy.bincount(part, minlength=entries)
        counted += len(part)
    return counts, counted


def _long_enough(split: TokenSplit, tokens: int) -> numpy.ndarray[Any, Any]:
    """Returns the shortest document of at least so many tokens, otherwise the longest."""
    sizes = numpy.diff(split.offsets.astype(numpy.int64))
    if not len(sizes):
        return split.ids[:0]
    enough = numpy.flatnonzero(sizes >= tokens)
    number = enough[sizes[enough].argmin()] if len(enough) else sizes.argmax()
    return split.document(int(number))


def vocabulary_curve(path: Path) -> list[tuple[float, float]]:
    """Returns (vocabulary size, bytes per token) from plots/tokenizer.csv; none without it."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (float(row["vocab_size"]), float(row["bytes_per_token"]))
            for row in csv.DictReader(file)
        ]
