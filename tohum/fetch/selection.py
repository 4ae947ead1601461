"""The first pass over rows that name files: selects rows, and cuts segments for the second pass."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pyarrow

from tohum.errors import UserError
from tohum.fetch.config import RowRules
from tohum.fetch.pool import Segment
from tohum.fetch.row_rules import REASONS, WANTED, RowFilter, row_keys
from tohum.fetch.row_tables import read_rows
from tohum.fetch.stored import Place, Stored
from tohum.files import atomic_write
from tohum.formats.outcomes import DUPLICATE
from tohum.marks import read_mark, write_mark
from tohum.repeats import KEY_BYTES, DuplicateFinder


@dataclass
class FileRows:
    """Rows that name files: their parquet files, and the dataset's column for each of ours.

    `content` says where the contents are: software_heritage, url, or inline, in the rows.
    """

    files: list[Path]
    columns: dict[str, str]
    content: str
    dataset: str

    def tables(self) -> Iterator[pyarrow.Table]:
        """Yields the rows, in order, as tables that depend only on the files."""
        for path in self.files:
            yield from read_rows(path, self.columns, path.name)


@dataclass
class Selection:
    """The result of the first pass: rows, rows to take, their known bytes, duplicates (bits)."""

    rows: int
    wanted: int
    bytes: int
    duplicates: numpy.ndarray[Any, Any] = field(repr=False)


@dataclass
class SegmentRows:
    """The rows of a segment: the verdict on each and its name, those that are taken, and where the
    contents of some of these are already stored.
    """

    verdict: numpy.ndarray[Any, Any]
    names: list[str]
    taken: dict[int, dict[str, Any]]
    stored: dict[int, Place]


def select(rows: FileRows, rules: RowRules, work: Path) -> Selection:
    """Passes over all rows once: counts them, and finds repeated names."""
    mark, bits_path = work / "selection.json", work / "duplicates.npy"
    facts = read_mark(mark)
    if facts is not None:
        return Selection(**facts, duplicates=numpy.load(bits_path))
    row_filter = RowFilter(rules)
    finder = DuplicateFinder(work)
    size = 0
    for table in rows.tables():
        places = numpy.flatnonzero(row_filter.decide(table) == WANTED)
        finder.add(row_keys(_names(table.take(places))), places, len(table))
        if "bytes" in table.column_names:
            size += sum(filter(None, table["bytes"].take(places).to_pylist()))
    bits = finder.find()
    wanted = finder.keys - int(numpy.unpackbits(bits).sum())
    with atomic_write(bits_path) as file:
        numpy.save(file, bits)
    write_mark(mark, [bits_path], {"rows": finder.rows, "wanted": wanted, "bytes": size})
    return Selection(finder.rows, wanted, size, bits)


def _names(table: pyarrow.Table) -> list[str]:
    """Returns what identifies each row: its id, else its URL, else its content's SHA-1."""
    named = [table[column].to_pylist() for column in ("id", "url") if column in table.column_names]
    if named:
        return [next(filter(None, names), "") for names in zip(*named, strict=True)]
    if "content" in table.column_names:
        contents = table["content"].to_pylist()
        return [hashlib.sha1((content or "").encode()).hexdigest() for content in contents]
    raise UserError(
        "source.columns names none of id, url and content: nothing distinguishes the rows. Name "
        "the dataset's column."
    )


def segments(
    rows: FileRows, rules: RowRules, selection: Selection, stored: Stored, start: int
) -> Iterator[Segment]:
    """Yields the segments from number `start`; `rest` is their SegmentRows, and `wanted` the rows
    whose contents are to be fetched.
    """
    row_filter = RowFilter(rules)
    first = 0
    duplicate = REASONS.index(DUPLICATE)
    for number, table in enumerate(rows.tables()):
        count = len(table)
        if number >= start:
            verdict = row_filter.decide(table)
            every = numpy.arange(first, first + count)
            again = (selection.duplicates[every >> 3] >> (every & 7).astype(numpy.uint8)) & 1
            verdict[(verdict == WANTED) & (again == 1)] = duplicate
            found = numpy.flatnonzero(verdict == WANTED)
            places, names = found.tolist(), _names(table)
            taken = dict(zip(places, table.take(found).to_pylist(), strict=True))
            there: dict[int, Place] = {}
            if rows.content != "inline":
                keys = row_keys([names[place] for place in places])
                there = {
                    places[at]: place
                    for at, place in stored.find(keys).items()
                    if stored.is_intact(keys[KEY_BYTES * at :][:KEY_BYTES], place)
                }
            wanted = {} if rows.content == "inline" else {
                place: row for place, row in taken.items() if place not in there
            }  # fmt: skip
            held = len(taken) - len(wanted)
            yield Segment(number, wanted, SegmentRows(verdict, names, taken, there), held)
        first += count


def key_of(row: dict[str, Any]) -> bytes:
    """Returns the key of a row to fetch, KEY_BYTES long."""
    key = row_keys([row.get("id") or row["url"]])
    assert len(key) == KEY_BYTES
    return key
