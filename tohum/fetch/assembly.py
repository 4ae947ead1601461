"""Writes contents to archives, row by row in input order; a killed run resumes where it was."""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tohum.fetch.addresses import public_url, without_secrets
from tohum.fetch.pool import Segment
from tohum.fetch.row_rules import REASONS, WANTED, row_keys
from tohum.fetch.selection import FileRows, SegmentRows
from tohum.fetch.stored import Stored
from tohum.formats.outcomes import KEPT, LOST
from tohum.formats.raw import DROPPED, MANIFEST, RawFile, RawWriter, Written, archive_name
from tohum.marks import Hashed, hashed, marked_files, read_mark, write_mark
from tohum.repeats import KEY_BYTES

KINDS = (KEPT, *LOST)  # their numbers in a journal are their places here
STATE = "assembled.json"
BLOCK_BYTES = 1 << 20


@dataclass
class Assembled:
    """How far the archives go: the next row is `place` of `segment`, unless they are `complete`."""

    segment: int = 0
    place: int = 0
    complete: bool = False
    written: Written = field(default_factory=Written)

    @classmethod
    def read(cls, path: Path) -> "Assembled":
        """Returns what an earlier process had assembled, by a mark whose files `is_damaged` has
        checked; nothing if there is none.
        """
        values = read_mark(path, files=False)
        if values is None:
            return cls()
        return cls(**{**values, "written": Written(**values["written"])})


def is_damaged(work: Path) -> bool:
    """Whether what an earlier process had assembled is no longer as it was written."""
    return (work / STATE).is_file() and read_mark(work / STATE) is None


class GrowingFile:
    """A file that is only appended to, hashed as it grows: no byte twice."""

    def __init__(self, path: Path) -> None:
        self.path, self._size, self._digest = path, 0, hashlib.sha256()

    def hashed(self, size: int) -> Hashed:
        """Returns its first `size` bytes with their hash; `size` may not shrink."""
        with self.path.open("rb") as file:
            file.seek(self._size)
            while block := file.read(min(BLOCK_BYTES, size - self._size)):
                self._digest.update(block)
                self._size += len(block)
        return Hashed(self.path, size, self._digest.hexdigest(), grows=True)


class Assembler:
    """Writes contents to archives and losses to dropped.jsonl, row by row, in input order.

    A context manager. After each archive it records its progress; a restarted process continues
    there from the journals, and a journal is deleted only when the archives no longer need it.
    """

    def __init__(self, work: Path, out: Path, rows: FileRows, stored: Stored) -> None:
        self.rows = rows
        self.stored = stored
        self.taken_from_store = 0
        self.state = Assembled.read(work / STATE)
        self._state_path = work / STATE
        self._finished: list[Path] = []
        self._here = (self.state.segment, self.state.place)
        self._out = out
        self._archives = [file for file in marked_files(work / STATE) if file.path.suffix == ".tar"]
        self._manifest, self._dropped = GrowingFile(out / MANIFEST), GrowingFile(out / DROPPED)
        self.writer = RawWriter(out, self.state.written, self._note)

    def __enter__(self) -> "Assembler":
        self.writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.state.complete = error == (None, None, None)
        self.writer.__exit__(*error)

    def add(self, segment: Segment) -> None:
        """Writes all rows of the next segment."""
        rows: SegmentRows = segment.rest
        first = self.state.place if segment.number == self.state.segment else 0
        for place, verdict in enumerate(rows.verdict[first:].tolist(), first):
            self._here = (segment.number, place)
            if verdict != WANTED:
                detail = rows.problems.get(place, "")
                self.writer.drop(self._public(rows.names[place]), REASONS[verdict], detail)
            else:
                self._take(segment, rows, place)
        self._here = (segment.number + 1, 0)
        if segment.journal is not None:
            segment.journal.close()
            self._finished.append(segment.journal.path)

    def _take(self, segment: Segment, rows: SegmentRows, place: int) -> None:
        row, name = rows.taken[place], rows.names[place]
        if place in rows.stored:
            self.taken_from_store += 1
            self._keep(row, name, self.stored.read(rows.stored[place]))
        elif self.rows.content == "inline":
            self._keep(row, name, (row["content"] or "").encode())
        else:
            assert segment.journal is not None
            kind, payload = segment.journal.read(place)
            if KINDS[kind] == KEPT:
                self._keep(row, name, payload[KEY_BYTES:])
            else:
                self.writer.drop(self._public(name), KINDS[kind], payload.decode())

    def _public(self, name: str) -> str:
        """Returns a row's name without the secrets that it may hold if it is the row's URL."""
        is_url = self.rows.content == "url" or ("url" in self.rows.columns and "://" in name)
        return public_url(name) if is_url else name

    def _keep(self, row: dict[str, Any], name: str, content: bytes) -> None:
        url = row.get("url")
        file = RawFile(
            path=(row.get("path") or without_secrets(url or "")).lstrip("/"),
            id=row.get("id") or hashlib.sha1(content).hexdigest(),
            sha256=hashlib.sha256(content).hexdigest(),
            bytes=len(content),
            source=self.rows.dataset,
            repo=row.get("repo"),
            license=row.get("license"),
            encoding="utf-8" if self.rows.content == "inline" else row.get("encoding"),
            language=row.get("language"),
            url=public_url(url) if url else url,
        )
        self.writer.add(file, content, row_keys([name]).hex())

    def _note(self, written: Written) -> None:
        """Called when an archive is complete, before the current row is written."""
        self.state.segment, self.state.place = self._here
        self.state.written = written
        for number in range(len(self._archives), written.archives):
            self._archives.append(hashed(self._out / archive_name(number)))
        lists = [self._manifest.hashed(written.manifest_bytes)]
        if written.dropped_bytes:
            lists.append(self._dropped.hashed(written.dropped_bytes))
        write_mark(self._state_path, [*self._archives, *lists], asdict(self.state))
        for journal in self._finished:
            journal.unlink()
        self._finished = []

    @property
    def lost(self) -> int:
        """The number of wanted files that could not be fetched so far."""
        return sum(self.writer.dropped[reason] for reason in LOST)
