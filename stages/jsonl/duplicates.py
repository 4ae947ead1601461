"""Which documents came before: equal ones by the SHA-1 of their text, near copies by MinHash.

The first one in the order of the sources stays. Memory is some bytes a document, whatever its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from stages.jsonl.prepared import KEPT, KEY, Prepared
from tohum.files import fresh
from tohum.repeats import DuplicateFinder


@dataclass
class Duplicates:
    """What was found, over all documents in order.

    Attributes:
        again: (documents,) of bool: an equal one came before.
        near: (documents that are kept and not `again`,): the number, among these, of the first
            document of its cluster; None where near copies are not looked for.
        firsts: the numbers of the clusters' first documents, ascending, ...
        first_keys: ... and their keys.
    """

    again: numpy.ndarray[Any, Any]
    near: numpy.ndarray[Any, Any] | None
    firsts: numpy.ndarray[Any, Any]
    first_keys: numpy.ndarray[Any, Any]

    def first_of(self, number: int) -> str:
        """Returns the key (hex) of the first document of a cluster."""
        return bytes(self.first_keys[numpy.searchsorted(self.firsts, number)]).hex()


def find_duplicates(units: list[Path], similarity: float | None, work: Path) -> Duplicates:
    """Finds the duplicates among the kept documents of the units; near copies from a Jaccard
    `similarity` on.
    """
    finder = DuplicateFinder(work)
    for unit in _read(units):
        kept = numpy.flatnonzero(unit.documents["reason"] == KEPT)
        finder.add(unit.documents["key"][kept].tobytes(), kept, len(unit.documents))
    bits = finder.find()
    again = numpy.unpackbits(bits, count=finder.rows, bitorder="little").astype(bool)
    empty = numpy.zeros(0, KEY)
    if similarity is None:
        return Duplicates(again, None, numpy.zeros(0, numpy.int64), empty)

    from tohum.cleaning.near_duplicates import find

    signatures = (
        unit.signatures()[fresh_ones] for unit, _, fresh_ones in _first_documents(units, again)
    )
    near = find(signatures, similarity, fresh(work / "near"))
    firsts = numpy.unique(near[near != numpy.arange(len(near))])
    keys = numpy.zeros(len(firsts), KEY)
    start = 0
    for unit, kept, fresh_ones in _first_documents(units, again):
        own = unit.documents["key"][kept][fresh_ones]
        low, high = numpy.searchsorted(firsts, [start, start + len(own)])
        keys[low:high] = own[firsts[low:high] - start]
        start += len(own)
    return Duplicates(again, near, firsts, keys)


def _read(units: list[Path]) -> Iterator[Prepared]:
    return map(Prepared.read, units)


def _first_documents(
    units: list[Path], again: numpy.ndarray[Any, Any]
) -> Iterator[tuple[Prepared, numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]]:
    """Yields each unit, which of its documents are kept, and which of those came first."""
    row = 0
    for unit in _read(units):
        kept = unit.documents["reason"] == KEPT
        yield unit, kept, ~again[row : row + len(kept)][kept]
        row += len(kept)
