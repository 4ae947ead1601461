"""Candidates: documents as their source has them, in units that a worker process reads alone.

Where a unit begins and ends depends only on the input. So the number of workers changes nothing,
and the numbers of the units show what an earlier process has done.
"""

import json
import logging
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from stages.jsonl.config import Jsonl
from stages.jsonl.text_decoding import Undecodable, decode
from tohum.errors import UserError
from tohum.fields import Fields, Mapped, compile_fields
from tohum.files import GET_BACK, file_sha256
from tohum.formats.outcomes import BROKEN, NO_TEXT, UNDECODABLE
from tohum.formats.raw import MANIFEST, RawFile, read_files, read_manifest
from tohum.readers import Broken, EmptyFileError, ReadLimits, Row, RowBlock, detect, read_blocks
from tohum.readers.rows import DECODER_BYTES

UNIT_BYTES = 8 << 20
log = logging.getLogger(__name__)


@dataclass
class Candidate:
    """A document before any rule: its record, or why there is none.

    `record` has content or messages, and the provenance of a record; its id is None if the source
    gives no id that is a hash of its bytes. `file_name` shows the language of a text; it is empty
    for a row that does not name a file.
    """

    record: dict[str, Any]
    file_name: str = ""
    problem: str = ""
    detail: str = ""


class Unit(Protocol):
    """Neighbouring documents of a source."""

    def candidates(self) -> Iterator[Candidate]:
        """Yields every document, in order."""


@dataclass
class FilesUnit:
    """Files from the archives of data/raw; each is a document."""

    raw: Path
    files: list[RawFile]
    source: str | None = None

    def candidates(self) -> Iterator[Candidate]:
        """Yields a text for each file."""
        for file, content in read_files(self.raw, self.files):
            record: dict[str, Any] = {
                "content": "",
                "id": file.id,
                "source": self.source or file.source,
                "path": file.path,
                "repo": file.repo,
                "license": file.license,
            }
            try:
                record["content"] = decode(content, file.encoding, file.path)
                yield Candidate(record, file.path)
            except Undecodable as error:
                yield Candidate(record, file.path, UNDECODABLE, str(error))


@dataclass
class RowsUnit:
    """A block of a data file; the configured fields turn its rows into records."""

    block: RowBlock
    fields: Fields
    file: str
    source: str
    repo: str | None
    license: str | None

    def candidates(self) -> Iterator[Candidate]:
        """Yields a record for each row, or each element of the list that the fields expand."""
        for row in self.block.rows():
            place = f"{self.file}#{row.number}"
            if isinstance(row, Broken):
                yield Candidate(self._record(place), "", BROKEN, row.reason)
                continue
            for mapped in self._mapped(row):
                record = self._record(mapped.path or place)
                if mapped.messages is not None:
                    del record["content"]
                    record = {"messages": mapped.messages, **record}
                else:
                    record["content"] = mapped.content or ""
                record["repo"] = mapped.repo or self.repo
                record["license"] = mapped.license or self.license
                problem = (NO_TEXT if mapped.empty else BROKEN) if mapped.problem else ""
                detail = mapped.problem or ""
                yield Candidate(record, mapped.path or "", problem, detail)

    def _mapped(self, row: Row) -> list[Mapped]:
        """Returns what the fields make of a row.

        Raises:
            UserError: its columns can be read in several ways; the message starts with the file.
        """
        try:
            return self.fields.records(row.values)
        except UserError as error:
            raise UserError(f"{self.file}, row {row.number}: {error}") from None

    def _record(self, path: str) -> dict[str, Any]:
        return {
            "content": "",
            "id": None,
            "source": self.source,
            "path": path,
            "repo": self.repo,
            "license": self.license,
        }


def file_units(raw: Path, source: str | None) -> Iterator[FilesUnit]:
    """Yields the files in data/raw's archives, about UNIT_BYTES at a time."""
    files: list[RawFile] = []
    size = 0
    for file in read_manifest(raw):
        files.append(file)
        size += file.bytes
        if size >= UNIT_BYTES:
            yield FilesUnit(raw, files, source)
            files, size = [], 0
    if files:
        yield FilesUnit(raw, files, source)


def row_units(
    raw: Path,
    rules: Jsonl,
    source: str | None,
    where: str,
    read: Counter[tuple[str, str]],
    decoder_bytes: int = DECODER_BYTES,
) -> Iterator[RowsUnit]:
    """Yields the blocks of the data files in `raw`; each file's SHA-256 is checked first. A file
    with nothing in it, as Spark writes for an empty part, is logged.

    Args:
        where: the key of the section with the rules, for messages.
        read: counts how each file was read: its format, encoding and delimiter.
        decoder_bytes: the most memory for decompressing one.

    Raises:
        UserError: a file is damaged, its format is unknown, or its columns fit no record.
    """
    facts = json.loads((raw / "source.json").read_text(encoding="utf-8"))
    dataset = facts.get("repo_id")
    fields = compile_fields(rules.fields, f"{where}.fields")
    limits = ReadLimits.for_documents(rules.max_bytes, decoder_bytes)
    for name in _intact_files(raw):
        path, given = raw / name, facts.get("license")
        try:
            format = detect(path, rules.encoding, rules.delimiter, limits)
            log.info("%s: %s", name, "; ".join(format.notes))
            here, needed = _decided(fields, path) if format.format == "parquet" else (fields, None)
            for block in read_blocks(path, format, needed):
                yield RowsUnit(block, here, name, source or dataset or "files", dataset, given)
        except EmptyFileError as empty:
            log.warning("%s It has no rows.", empty)
            read["format", "empty"] += 1
            continue
        read.update(format.facts().items())


def _intact_files(raw: Path) -> Iterator[str]:
    """Yields the names of the data files, whose SHA-256 is checked; while one of them is read, the
    next is hashed.

    Raises:
        UserError: one is damaged.
    """
    lines = (raw / MANIFEST).read_bytes().splitlines()  # not of a text: it splits at U+2028
    entries = [json.loads(line) for line in lines]
    hashes = (_hash_in_thread(raw / entry["file"]) for entry in entries)
    begun = deque(islice(hashes, 1))
    for entry in entries:
        path = raw / entry["file"]
        if begun.popleft().result() != entry["sha256"]:
            raise UserError(
                f"{path} does not have the SHA-256 that manifest.jsonl gives it: it was damaged. "
                f"{GET_BACK.format(stage='download')}"
            )
        begun.extend(islice(hashes, 1))
        yield entry["file"]


def _hash_in_thread(path: Path) -> "Future[str]":
    """Returns the hash of a file to come; its thread, a daemon, holds up no error or Ctrl-C."""
    future: Future[str] = Future()

    def work() -> None:
        try:
            future.set_result(file_sha256(path))
        except Exception as error:  # raised where the hash is asked for
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    return future


def _decided(fields: Fields, path: Path) -> tuple[Fields, set[tuple[str, ...]] | None]:
    """Returns the mapping for a parquet file, whose rows all have the same columns, and the paths
    that it needs (None: all of them).
    """
    from tohum.readers.parquet import column_names  # imports pyarrow, which workers rarely need

    return fields.decide(column_names(path)) or (fields, None)
