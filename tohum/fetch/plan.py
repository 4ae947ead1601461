"""The first pass over rows of ids: which to fetch, and the segments that the fetch works in."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pyarrow

from stages.jsonl.config import Jsonl
from stages.jsonl.filters import RULES, WANTED, DuplicateFinder, RowFilter, row_keys
from stages.jsonl.rows import read_rows
from tohum.errors import UserError
from tohum.fetch.pool import Segment
from tohum.files import atomic_write
from tohum.formats.outcomes import DUPLICATE


@dataclass
class IdRows:
    """data/raw of a Hub dataset: its parquet files and how to read them."""

    files: list[Path]
    columns: dict[str, str]
    content: str
    dataset: str

    @classmethod
    def read(cls, raw: Path) -> "IdRows":
        """Reads source.json and manifest.jsonl."""
        source = json.loads((raw / "source.json").read_text(encoding="utf-8"))
        lines = (raw / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        files = [raw / json.loads(line)["file"] for line in lines]
        return cls(files, source["columns"], source["content"], source["repo_id"])

    def tables(self) -> Iterator[pyarrow.Table]:
        """Yields the rows, in order, as tables that depend on the files only."""
        for path in self.files:
            yield from read_rows(path, self.columns, str(path))


@dataclass
class Plan:
    """What the first pass found: rows, rows to fetch, their known bytes, and duplicates (bits)."""

    rows: int
    wanted: int
    bytes: int
    duplicates: numpy.ndarray[Any, Any] = field(repr=False)


def make_plan(rows: IdRows, config: Jsonl, work: Path) -> Plan:
    """Passes over all rows once: counts, and finds ids that came before."""
    path = work / "plan.npz"
    if path.is_file():
        with numpy.load(path) as saved:
            rows_, wanted, size = (int(saved[name]) for name in ("rows", "wanted", "bytes"))
            return Plan(rows_, wanted, size, saved["duplicates"])
    rules = RowFilter(config)
    finder = DuplicateFinder(work)
    size = 0
    for table in rows.tables():
        places = numpy.flatnonzero(rules.decide(table) == WANTED)
        finder.add(row_keys(_names(table.take(places))), places, len(table))
        if "bytes" in table.column_names:
            size += sum(filter(None, table["bytes"].take(places).to_pylist()))
    bits = finder.find()
    plan = Plan(finder.rows, finder.keys - int(numpy.unpackbits(bits).sum()), size, bits)
    with atomic_write(path) as file:
        numpy.savez(file, rows=plan.rows, wanted=plan.wanted, bytes=plan.bytes, duplicates=bits)
    return plan


def _names(table: pyarrow.Table) -> list[str]:
    """What tells rows apart: their id, else their URL, else the SHA-1 of their content."""
    told = [table[column].to_pylist() for column in ("id", "url") if column in table.column_names]
    if told:
        return [next(filter(None, names), "") for names in zip(*told, strict=True)]
    if "content" in table.column_names:
        contents = table["content"].to_pylist()
        return [hashlib.sha1((content or "").encode()).hexdigest() for content in contents]
    raise UserError(
        "source.columns names none of id, url and content: nothing tells the rows apart."
    )


def segments(rows: IdRows, config: Jsonl, plan: Plan, start: int) -> Iterator[Segment]:
    """Yields the segments from number `start` on; `rest` is the verdict on each row and its id."""
    rules = RowFilter(config)
    first = 0
    duplicate_rule = RULES.index(DUPLICATE)
    for number, table in enumerate(rows.tables()):
        count = len(table)
        if number >= start:
            verdict = rules.decide(table)
            every = numpy.arange(first, first + count)
            again = (plan.duplicates[every >> 3] >> (every & 7).astype(numpy.uint8)) & 1
            verdict[(verdict == WANTED) & (again == 1)] = duplicate_rule
            places = numpy.flatnonzero(verdict == WANTED)
            found = table.take(places).to_pylist()
            wanted = {int(place): row for place, row in zip(places, found, strict=True)}
            yield Segment(number, wanted, rest=(verdict, _names(table)))
        first += count
