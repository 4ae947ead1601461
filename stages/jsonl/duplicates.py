"""Finds duplicate documents: equal ones by the SHA-1 of their text, near copies by MinHash.

Only documents that are taken count: one that a source's weight leaves out makes no other a
duplicate. The first in the order of the sources stays. A document takes a few bytes of memory,
whatever its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from stages.jsonl.members import Member
from stages.jsonl.prepared import KEPT, KEY, Prepared
from tohum.files import fresh
from tohum.repeats import DuplicateFinder


@dataclass
class Duplicates:
    """What was found, over all documents in order.

    Attributes:
        again: (documents,) of bool: an equal one came before.
        near: (documents taken and not `again`,): the number, among these, of the first document of
            its cluster; None if near copies are not looked for.
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


def find_duplicates(members: list[Member], similarity: float | None, work: Path) -> Duplicates:
    """Finds the duplicates among the documents taken; near copies have a Jaccard similarity of at
    least `similarity`.
    """
    finder = DuplicateFinder(work)
    for member, unit in _units(members):
        taken = numpy.flatnonzero(member.taken(unit))
        finder.add(unit.documents["key"][taken].tobytes(), taken, len(unit.documents))
    bits = finder.find()
    again = numpy.unpackbits(bits, count=finder.rows, bitorder="little").astype(bool)
    empty = numpy.zeros(0, KEY)
    if similarity is None:
        return Duplicates(again, None, numpy.zeros(0, numpy.int64), empty)

    from tohum.cleaning.near_duplicates import find

    signatures = (
        unit.signatures()[first[unit.documents["reason"] == KEPT]]
        for unit, first in _first_documents(members, again)
    )
    near = find(signatures, similarity, fresh(work / "near"))
    firsts = numpy.unique(near[near != numpy.arange(len(near))])
    keys = numpy.zeros(len(firsts), KEY)
    start = 0
    for unit, first in _first_documents(members, again):
        own = unit.documents["key"][first]
        low, high = numpy.searchsorted(firsts, [start, start + len(own)])
        keys[low:high] = own[firsts[low:high] - start]
        start += len(own)
    return Duplicates(again, near, firsts, keys)


def _units(members: list[Member]) -> Iterator[tuple[Member, Prepared]]:
    for member in members:
        for path in member.units:
            yield member, Prepared.read(path)


def _first_documents(
    members: list[Member], again: numpy.ndarray[Any, Any]
) -> Iterator[tuple[Prepared, numpy.ndarray[Any, Any]]]:
    """Yields each unit, and which of its documents are taken and not seen before."""
    row = 0
    for member, unit in _units(members):
        taken = member.taken(unit)
        yield unit, taken & ~again[row : row + len(taken)]
        row += len(taken)
