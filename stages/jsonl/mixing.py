"""The second pass: puts the documents of all sources in one order, without duplicates.

Each source is spread evenly over the corpus. A weight is how many times each of its documents is
taken; from the second time on, a record says which `copy` it is.
"""

import heapq
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy
import orjson

from stages.jsonl.corpus_shards import Span
from stages.jsonl.duplicates import Duplicates
from stages.jsonl.judging import dropped_line
from stages.jsonl.members import Member
from stages.jsonl.prepared import KEPT, Origin, Prepared
from tohum.formats.outcomes import DUPLICATE, NEAR_DUPLICATE, NOT_SAMPLED


class Document(NamedTuple):
    """A document in its final place: a line of a shard, or of dropped.jsonl if it has a reason.

    Attributes:
        line: where its line was judged.
        dropped: the line of dropped.jsonl; empty for a record.
        size: the bytes of its text.
    """

    member: str
    reason: str
    line: Span
    dropped: bytes
    size: int
    origin: Origin
    redacted: int


@dataclass
class _Stream:
    """One pass over a member's documents.

    `row` and `number` are the first document's places in the arrays of Duplicates.
    """

    member: Member
    copy: int
    row: int
    number: int
    duplicates: Duplicates
    bytes: int = 0

    def verdicts(self) -> Iterator[tuple[Prepared, list[str], numpy.ndarray[Any, Any]]]:
        """Yields each unit, the reason against each of its documents (empty: none), and the number
        of the first of each one's near copies.
        """
        row, number = self.row, self.number
        for path in self.member.units:
            unit = Prepared.read(path)
            again = self.duplicates.again[row : row + len(unit.documents)]
            first = self.member.taken(unit) & ~again
            numbers = numpy.cumsum(first) - 1 + number
            firsts = numbers.copy()
            if self.duplicates.near is not None:
                firsts[first] = self.duplicates.near[numbers[first]]
            yield unit, self._reasons(unit, again, firsts != numbers), firsts
            row += len(first)
            number += int(first.sum())

    def _reasons(
        self, unit: Prepared, again: numpy.ndarray[Any, Any], near: numpy.ndarray[Any, Any]
    ) -> list[str]:
        reasons = numpy.array(unit.reasons, object)[unit.documents["reason"]]
        reasons[(reasons == "") & ~self.member.taken(unit, self.copy)] = NOT_SAMPLED
        reasons[near] = NEAR_DUPLICATE
        reasons[again] = DUPLICATE
        listed: list[str] = reasons.tolist()
        return listed

    def documents(self) -> Iterator[Document]:
        """Yields every document, in order; for a later copy, only those taken."""
        name, copy = self.member.name, self.copy
        for unit, reasons, firsts in self.verdicts():
            table = unit.documents
            ends = numpy.cumsum(table["line"])
            columns = zip(
                reasons,
                (ends - table["line"]).tolist(),
                ends.tolist(),
                table["reason"].tolist(),
                table["size"].tolist(),
                table["origin"].tolist(),
                table["redacted"].tolist(),
                firsts.tolist(),
                strict=True,
            )
            path = unit.lines_path
            with ExitStack() as stack:
                lines: IO[bytes] | None = None
                for reason, start, end, own, size, origin, redacted, first in columns:
                    if reason and copy > 1:
                        continue
                    line, dropped = Span(path, start, end, copy), b""
                    if reason:
                        lines = lines or stack.enter_context(path.open("rb"))
                        lines.seek(start)
                        dropped = lines.read(end - start)
                        if own == KEPT:
                            near = reason == NEAR_DUPLICATE
                            detail = self.duplicates.first_of(first) if near else ""
                            dropped = dropped_line(orjson.loads(dropped), reason, size, detail)
                    yield Document(
                        name, reason, line, dropped, size, unit.origins[origin], redacted
                    )

    def measure(self) -> None:
        """Counts the bytes that the stream will add."""
        self.bytes = sum(
            int(unit.documents["line"][numpy.array(reasons, object) == ""].sum())
            for unit, reasons, _ in self.verdicts()
        )


def mixed(members: list[Member], duplicates: Duplicates) -> Iterator[Document]:
    """Yields the documents of all members, interleaved so that every source advances evenly."""
    streams = list(_streams(members, duplicates))
    if len(streams) == 1:
        yield from streams[0].documents()
        return
    for stream in streams:
        stream.measure()
    running = [stream.documents() for stream in streams]
    progress = [(0.0, number) for number in range(len(streams))]
    done = [0] * len(streams)
    while progress:
        _, number = progress[0]
        document = next(running[number], None)
        if document is None:
            heapq.heappop(progress)
            continue
        if not document.reason:
            done[number] += document.line.size
        heapq.heapreplace(progress, (done[number] / max(1, streams[number].bytes), number))
        yield document


def _streams(members: list[Member], duplicates: Duplicates) -> Iterator[_Stream]:
    row = number = 0
    for member in members:
        for copy in range(1, math.ceil(member.weight) + 1):
            yield _Stream(member, copy, row, number, duplicates)
        for path in member.units:
            taken = member.taken(Prepared.read(path))
            number += int((taken & ~duplicates.again[row : row + len(taken)]).sum())
            row += len(taken)
