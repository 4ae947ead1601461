"""Candidates: documents as their source has them, in units that a worker process can read by
itself.

Where a unit begins and ends depends on the input only, so that the number of workers changes
nothing, and what an earlier process has done of a source is known by the numbers of its units.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stages.jsonl.config import Jsonl
from stages.jsonl.text_decoding import Undecodable, decode
from tohum.errors import UserError
from tohum.fields import Fields, Mapped, compile_fields
from tohum.formats.outcomes import BROKEN, NO_TEXT, UNDECODABLE
from tohum.formats.raw import RawFile, read_files, read_manifest
from tohum.readers import Broken, Row, RowBlock, detect, read_blocks

UNIT_BYTES = 8 << 20
log = logging.getLogger(__name__)


@dataclass
class Candidate:
    """A document before any rule: its record, or why there is none.

    `record` has content or messages, and the provenance of a record; its id is None where the
    source has none that is a hash of its bytes. `file_name` tells the language of a text; it is
    empty for a row that says nothing of it.
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
    """Files in the archives of data/raw; each is a document."""

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
    """A block of a data file; its rows are brought to records by the configured fields."""

    block: RowBlock
    fields: Fields
    file: str
    source: str
    repo: str | None
    license: str | None

    def candidates(self) -> Iterator[Candidate]:
        """Yields a record for each row, or for each element of the list that the fields expand."""
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
            UserError: its columns can be read in several ways; the message names the file first.
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
    """Yields the files of data/raw's archives, about UNIT_BYTES at a time."""
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
    raw: Path, rules: Jsonl, source: str | None, where: str, read: Counter[tuple[str, str]]
) -> Iterator[RowsUnit]:
    """Yields the blocks of the data files in `raw`, each file checked against its SHA-256 first.

    Args:
        where: the key of the section with the rules, for messages.
        read: counts what each file was read as: its format, its encoding, its delimiter.

    Raises:
        UserError: a file is damaged or of no known format, or its columns fit no record.
    """
    facts = json.loads((raw / "source.json").read_text(encoding="utf-8"))
    dataset = facts.get("repo_id")
    fields = compile_fields(rules.fields, f"{where}.fields")
    for line in (raw / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        path = raw / entry["file"]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry["sha256"]:
            raise UserError(
                f"{path} does not have the SHA-256 that manifest.jsonl gives it. It was damaged: "
                "run `dvc repro --force --single-item download`."
            )
        name, given = entry["file"], facts.get("license")
        format = detect(path, rules.encoding, rules.delimiter)
        log.info("%s: %s", name, "; ".join(format.notes))
        read.update(format.facts().items())
        here, needed = _decided(fields, path) if format.format == "parquet" else (fields, None)
        for block in read_blocks(path, format, needed):
            yield RowsUnit(block, here, name, source or dataset or "files", dataset, given)


def _decided(fields: Fields, path: Path) -> tuple[Fields, set[tuple[str, ...]] | None]:
    """Returns the mapping of a parquet file, whose rows all have its columns, and the paths that
    it needs; None is all of them.
    """
    from tohum.readers.parquet import column_names  # pyarrow, which workers seldom need

    return fields.decide(column_names(path)) or (fields, None)
