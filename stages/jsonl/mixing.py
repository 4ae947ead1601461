"""Puts the documents of all sources in one order, without duplicates, and cuts it into shards.

Each source is spread evenly over the corpus. A weight is how many times each of its documents is
taken; from the second time on, a record says which `copy` it is. All of this is decided by what is
noted about each document, a few bytes; the documents are not read.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from stages.jsonl.duplicates import Duplicates
from stages.jsonl.members import Member
from stages.jsonl.prepared import KEPT, KEY, Prepared
from stages.jsonl.shard_plans import (
    EQUAL,
    NEAR,
    RULED_OUT,
    SKIPPED,
    UNSAMPLED,
    WRITTEN,
    ShardPlan,
    StreamPart,
    UnitPart,
)

Array = numpy.ndarray[Any, Any]


@dataclass
class _Block:
    """The documents of one unit in a stream.

    Attributes:
        verdicts: (documents of the unit,) of uint8.
        keys: (near copies,) of KEY: the first document of each one's cluster.
        rows: (documents,): the places in the unit of those that are not skipped.
        lengths: (documents,): the bytes of each one's line as it is written; 0 if it is dropped.
    """

    path: Path
    verdicts: Array
    keys: Array
    rows: Array
    lengths: Array

    def part(self, begin: int, end: int) -> UnitPart:
        """Returns some of the documents."""
        first, last = int(self.rows[begin]), int(self.rows[end - 1]) + 1
        before = numpy.count_nonzero(self.verdicts[:first] == NEAR)
        verdicts = self.verdicts[first:last].copy()
        near = numpy.count_nonzero(verdicts == NEAR)
        return UnitPart(self.path, first, verdicts, self.keys[before : before + near])


@dataclass
class _Stream:
    """One pass over a member's documents.

    `row` and `number` are the first document's places in the arrays of Duplicates; `bytes` are
    those that the stream will add, as far as they are known before a copy says that it is one.
    """

    member: Member
    copy: int
    row: int
    number: int
    duplicates: Duplicates
    bytes: int = 0

    def verdicts(self) -> Iterator[tuple[Prepared, Array, Array]]:
        """Yields each unit, what becomes of each of its documents, and for the near copies among
        them the key of the first document of the cluster.
        """
        row, number = self.row, self.number
        for path in self.member.units:
            unit = Prepared.read(path)
            kept = unit.documents["reason"] == KEPT
            again = self.duplicates.again[row : row + len(kept)]
            first = self.member.taken(unit) & ~again
            verdicts = numpy.where(kept, WRITTEN, RULED_OUT).astype(numpy.uint8)
            verdicts[kept & ~self.member.taken(unit, self.copy)] = UNSAMPLED
            verdicts[again] = EQUAL
            places = numpy.flatnonzero(first)
            numbers = number + numpy.arange(len(places))
            row += len(kept)
            number += len(places)
            keys = numpy.zeros(0, KEY)
            if self.duplicates.near is not None:
                firsts = self.duplicates.near[numbers]
                near = firsts != numbers
                verdicts[places[near]] = NEAR
                keys = self.duplicates.keys_of(firsts[near])
            if self.copy > 1:
                verdicts[verdicts != WRITTEN] = SKIPPED
            yield unit, verdicts, keys

    def blocks(self) -> Iterator[_Block]:
        """Yields the units that have documents in the stream."""
        longer = len(b',"copy":%d' % self.copy) if self.copy > 1 else 0
        for unit, verdicts, keys in self.verdicts():
            rows = numpy.flatnonzero(verdicts != SKIPPED)
            lengths = unit.documents["line"][rows].astype(numpy.int64) + longer
            lengths[verdicts[rows] != WRITTEN] = 0
            if len(rows):
                yield _Block(unit.path, verdicts, keys, rows, lengths)

    def measure(self) -> None:
        """Counts the bytes that the stream will add."""
        self.bytes = sum(
            int(unit.documents["line"][verdicts == WRITTEN].sum())
            for unit, verdicts, _ in self.verdicts()
        )


class _Cursor:
    """A place in a stream: a block of it, of which `ended` documents have their places in the
    corpus, and all but those from `begun` on are in a plan.
    """

    def __init__(self, number: int, stream: _Stream) -> None:
        self.number, self.stream = number, stream
        self.blocks = stream.blocks()
        self.begun = self.ended = self.written = 0
        self.parts: list[UnitPart] = []
        self.block: _Block | None = None
        self.load()

    def load(self) -> None:
        """Goes to the next block. `progress` is then how much of the stream is written before each
        document, and after the last one.
        """
        self.cut()
        self.block = next(self.blocks, None)
        self.begun = self.ended = 0
        if self.block is not None:
            ends = self.written + numpy.cumsum(self.block.lengths)
            self.progress = numpy.append(self.written, ends) / max(1, self.stream.bytes)
            self.written = int(ends[-1])

    def before(self, progress: float, inclusive: bool) -> int:
        """Returns how many documents of the block come next, before the stream has made that much
        progress.
        """
        side = "right" if inclusive else "left"
        waiting = self.progress[self.ended : -1]
        return int(numpy.searchsorted(waiting, progress, side))  # type: ignore[call-overload]

    def cut(self) -> None:
        """Adds what has its place to the parts."""
        if self.block is not None and self.ended > self.begun:
            self.parts.append(self.block.part(self.begun, self.ended))
            self.begun = self.ended

    def take(self) -> StreamPart:
        """Returns the parts."""
        self.cut()
        parts, self.parts = self.parts, []
        return StreamPart(self.stream.member.name, self.stream.copy, parts)


class _Planner:
    """Cuts the corpus into shards of at most `shard_bytes`, or of one larger record."""

    def __init__(self, streams: list[_Stream], shard_bytes: int | None) -> None:
        self.cursors = [_Cursor(number, stream) for number, stream in enumerate(streams)]
        self.shard_bytes = shard_bytes
        self.dtype = numpy.min_scalar_type(len(streams))
        self.order: list[Array] = []
        self.number = self.written = 0

    def plans(self) -> Iterator[ShardPlan]:
        """Yields the plan of every shard; documents dropped after the last record go with it."""
        while running := [cursor for cursor in self.cursors if cursor.block is not None]:
            order, lengths = _stretch(running)
            ends = numpy.cumsum(lengths)
            begin = 0
            while (end := self._fitting(ends, begin)) < len(order):
                self._add(order, ends, begin, end)
                yield self._plan()
                begin = end
            self._add(order, ends, begin, end)
            for cursor in running:
                if cursor.ended == len(cursor.progress) - 1:
                    cursor.load()
        if self.order:
            yield self._plan()

    def _fitting(self, ends: Array, begin: int) -> int:
        """Returns the first document, from `begin` on, that starts a new shard.

        Args:
            ends: (documents,): bytes written after each.
        """
        if self.shard_bytes is None:
            return len(ends)
        before = _bytes_before(ends, begin)
        limit = before + max(0, self.shard_bytes - self.written)
        if not self.written:  # then the next record fits, however long it is
            following = int(numpy.searchsorted(ends, before, "right"))
            limit = max(limit, int(ends[min(following, len(ends) - 1)]))
        return int(numpy.searchsorted(ends, limit, "right"))

    def _add(self, order: Array, ends: Array, begin: int, end: int) -> None:
        self.written += _bytes_before(ends, end) - _bytes_before(ends, begin)
        self.order.append(order[begin:end].astype(self.dtype))
        counts = numpy.bincount(order[begin:end], minlength=len(self.cursors)).tolist()
        for cursor, count in zip(self.cursors, counts, strict=True):
            cursor.ended += count

    def _plan(self) -> ShardPlan:
        taken = {cursor.number: cursor.take() for cursor in self.cursors}
        streams = {number: stream for number, stream in taken.items() if stream.parts}
        plan = ShardPlan(self.number, streams, numpy.concatenate(self.order))
        self.order, self.number, self.written = [], self.number + 1, 0
        return plan


def _stretch(cursors: list[_Cursor]) -> tuple[Array, Array]:
    """Returns the order of the documents that come before the end of the first block to end: the
    stream that has made the least progress, and among equals the first, gives the next one.

    Returns:
        The number of the stream of each document, (documents,) of int64, and the bytes that it
        adds.
    """
    least, last = min((float(cursor.progress[-1]), cursor.number) for cursor in cursors)
    numbers, progress, lengths = [], [], []
    for cursor in cursors:
        count = cursor.before(least, cursor.number <= last)
        chosen = slice(cursor.ended, cursor.ended + count)
        assert cursor.block is not None
        numbers.append(numpy.full(count, cursor.number))
        progress.append(cursor.progress[chosen])
        lengths.append(cursor.block.lengths[chosen])
    by = numpy.argsort(numpy.concatenate(progress), kind="stable")
    return numpy.concatenate(numbers)[by], numpy.concatenate(lengths)[by]


def _bytes_before(ends: Array, document: int) -> int:
    return int(ends[document - 1]) if document else 0


def plan_shards(
    members: list[Member], duplicates: Duplicates, shard_bytes: int | None
) -> Iterator[ShardPlan]:
    """Yields the plan of every shard, in order: the documents of all members, interleaved so that
    every source advances evenly. Memory holds a unit's outcomes for each pass over a source, and
    the plan of one shard.
    """
    streams = list(_streams(members, duplicates))
    if len(streams) > 1:
        for stream in streams:
            stream.measure()
    yield from _Planner(streams, shard_bytes).plans()


def _streams(members: list[Member], duplicates: Duplicates) -> Iterator[_Stream]:
    row = number = 0
    for member in members:
        for copy in range(1, math.ceil(member.weight) + 1):
            yield _Stream(member, copy, row, number, duplicates)
        for path in member.units:
            taken = member.taken(Prepared.read(path))
            number += int((taken & ~duplicates.again[row : row + len(taken)]).sum())
            row += len(taken)
