"""From results to shards, row by row in input order, so that a killed run goes on where it was."""

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from stages.jsonl.config import Jsonl
from stages.jsonl.filters import RULES
from tohum.fetch.pool import Segment
from tohum.files import write_json
from tohum.formats.outcomes import (
    CORRUPT,
    KEPT,
    LOST,
    MISSING,
    TOO_LONG,
    TOO_SHORT,
    UNDECODABLE,
    UNREACHABLE,
    Totals,
)
from tohum.formats.records import Shard, ShardWriter

KINDS = (KEPT, MISSING, CORRUPT, UNDECODABLE, TOO_SHORT, TOO_LONG, UNREACHABLE)  # in a journal
SIZE_BYTES = 8  # in front of a kept record: the size of its content


@dataclass
class Assembled:
    """How far the shards go: the next row is `place` of `segment`."""

    segment: int = 0
    place: int = 0
    shards: list[Shard] = field(default_factory=list)
    bytes: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_bytes: int = 0  # of dropped.jsonl

    @classmethod
    def read(cls, path: Path) -> "Assembled":
        """Returns what an earlier process had assembled; nothing, when there is no file."""
        if not path.is_file():
            return cls()
        values = json.loads(path.read_text(encoding="utf-8"))
        values["shards"] = [Shard(**shard) for shard in values["shards"]]
        return cls(**values)


class Assembler:
    """Writes results to shards and to dropped.jsonl, row by row, in input order.

    After each shard it notes how far it is; a process that starts anew goes on from there, out of
    the journals, and a journal is deleted only when the shards no longer need it.
    """

    def __init__(self, work: Path, out: Path, config: Jsonl) -> None:
        self._state_path = work / "assembled.json"
        self.state = Assembled.read(self._state_path)
        self._finished: list[Path] = []
        self._dropped = (out / "dropped.jsonl").open("ab")
        self._dropped.truncate(self.state.dropped_bytes)
        self._dropped.seek(0, 2)
        self._counts = Counter(self.state.dropped)
        self._here = (self.state.segment, self.state.place)
        self.writer = ShardWriter(
            out, config.shard_bytes, config.compression, self.state.shards, self._note
        )

    def add(self, segment: Segment) -> None:
        """Writes all rows of the next segment."""
        verdict, names = segment.rest
        first = self.state.place if segment.number == self.state.segment else 0
        for place in range(first, len(verdict)):
            self._here = (segment.number, place)
            if place in segment.wanted:
                assert segment.journal is not None
                kind, payload = segment.journal.read(place)
                self._write(names[place], KINDS[kind], payload)
            else:
                self._drop(names[place], RULES[verdict[place]])
        self._here = (segment.number + 1, 0)
        if segment.journal is not None:
            segment.journal.close()
            self._finished.append(segment.journal.path)

    def _write(self, name: str, kind: str, payload: bytes) -> None:
        if kind != KEPT:
            self._drop(name, kind, payload.decode())
            return
        self.writer.write_line(payload[SIZE_BYTES:])
        self.state.bytes += int.from_bytes(payload[:SIZE_BYTES], "little")

    def _drop(self, name: str, reason: str, detail: str = "") -> None:
        self._counts[reason] += 1
        line = {"id": name, "reason": reason, **({"detail": detail} if detail else {})}
        self._dropped.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _note(self) -> None:
        """Called when a shard is complete, before the row at hand is written."""
        self._dropped.flush()
        os.fsync(self._dropped.fileno())
        state = self.state
        state.segment, state.place = self._here
        state.shards = list(self.writer.shards)
        state.dropped = dict(self._counts)
        state.dropped_bytes = self._dropped.tell()
        write_json(self._state_path, asdict(state))
        for journal in self._finished:
            journal.unlink()
        self._finished = []

    @property
    def lost(self) -> int:
        """The files that were wanted and could not be had, so far."""
        return sum(self._counts[reason] for reason in LOST)

    def finish(self) -> Totals:
        """Ends the last shard and returns the totals."""
        self.writer.close()
        self._note()
        self._dropped.close()
        return Totals(self.state.shards, self.state.bytes, self._counts)
