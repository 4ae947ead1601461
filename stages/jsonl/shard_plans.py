"""What is decided about one shard: which documents of which units it holds, in which order, and why
others are left out. Documents are read from their units only when the shard is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import orjson

from stages.jsonl.judging import dropped_line
from stages.jsonl.prepared import Origin, Prepared
from tohum.formats.outcomes import DUPLICATE, NEAR_DUPLICATE, NOT_SAMPLED

# What becomes of a document in one pass over its source.
WRITTEN, RULED_OUT, UNSAMPLED, EQUAL, NEAR, SKIPPED = range(6)
REASONS = {UNSAMPLED: NOT_SAMPLED, EQUAL: DUPLICATE, NEAR: NEAR_DUPLICATE}


class Document(NamedTuple):
    """A document in its final place: a line of a shard, or of dropped.jsonl if it has a reason.

    `size` is the bytes of its text; `copy` counts from 1.
    """

    member: str
    reason: str
    line: bytes
    size: int
    origin: Origin
    redacted: int
    copy: int


@dataclass(frozen=True)
class UnitPart:
    """Consecutive documents of a unit, some of which may be skipped.

    Attributes:
        path: the unit's.
        row: the place of the first document in the unit.
        verdicts: (documents,) of uint8: what becomes of each.
        keys: (near copies among them,) of KEY: the first document of each one's cluster.
    """

    path: Path
    row: int
    verdicts: numpy.ndarray[Any, Any]
    keys: numpy.ndarray[Any, Any]

    def documents(self, member: str, copy: int) -> Iterator[Document]:
        """Yields those that are not skipped, in order."""
        unit = Prepared.read(self.path)
        rows = numpy.flatnonzero(self.verdicts != SKIPPED)
        table = unit.documents[self.row + rows]
        columns = zip(
            unit.lines(self.row + rows),
            self.verdicts[rows].tolist(),
            table["reason"].tolist(),
            table["size"].tolist(),
            table["origin"].tolist(),
            table["redacted"].tolist(),
            strict=True,
        )
        ending = b',"copy":%d}\n' % copy
        keys = iter(self.keys)
        for judged, verdict, own, size, origin, redacted in columns:
            line, reason = judged, unit.reasons[own]
            if verdict == WRITTEN and copy > 1:
                line = judged[:-2] + ending
            elif verdict in REASONS:
                reason = REASONS[verdict]
                detail = bytes(next(keys)).hex() if verdict == NEAR else ""
                line = dropped_line(orjson.loads(judged), reason, size, detail)
            yield Document(member, reason, line, size, unit.origins[origin], redacted, copy)


@dataclass
class StreamPart:
    """What a shard takes of a source: of the first pass over it, or of a later one."""

    member: str
    copy: int
    parts: list[UnitPart]

    def documents(self) -> Iterator[Document]:
        """Returns the documents, in order."""
        return chain.from_iterable(part.documents(self.member, self.copy) for part in self.parts)


@dataclass
class ShardPlan:
    """The documents of a shard, and those that are dropped between them.

    Attributes:
        number: the shard's, from 0.
        streams: what it takes of each pass over a source, by the number of the pass.
        order: (documents,) of unsigned integers: which pass the next document is taken from.
    """

    number: int
    streams: dict[int, StreamPart]
    order: numpy.ndarray[Any, Any]

    def documents(self) -> Iterator[Document]:
        """Yields all documents, in order."""
        running = {number: stream.documents() for number, stream in self.streams.items()}
        for stream in map(running.__getitem__, self.order.data):
            yield next(stream)
