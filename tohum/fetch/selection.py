"""The first pass over rows that name files: selects rows, and cuts segments for the second pass."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pyarrow
from pyarrow import compute

from tohum.errors import UserError
from tohum.fetch.config import RowRules
from tohum.fetch.pool import Segment
from tohum.fetch.row_rules import REASONS, WANTED, RowFilter, row_keys
from tohum.fetch.row_tables import PROBLEM, read_rows
from tohum.fetch.stored import Place, Stored
from tohum.formats.outcomes import DUPLICATE
from tohum.marks import read_mark, write_mark
from tohum.repeats import KEY_BYTES, DuplicateFinder

SELECTION, VERDICTS = "selection.json", "verdicts.bin"
DUPLICATE_VERDICT = REASONS.index(DUPLICATE)
AT_ONCE = 1 << 20  # rows; a multiple of 8
ANY_SHA1 = r"^\s*[0-9A-Fa-f]{40}\s*$"

log = logging.getLogger(__name__)


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
        """Yields the rows, in order, as tables that depend only on the files.

        Where contents are fetched, a SHA-1 in capital letters or among spaces is made the same as
        others.
        """
        for path in self.files:
            tables = read_rows(path, self.columns, path.name)
            yield from tables if self.content == "inline" else map(_with_normal_ids, tables)


def _with_normal_ids(table: pyarrow.Table) -> pyarrow.Table:
    if "id" not in table.column_names:
        return table
    ids = table["id"]
    normal = compute.ascii_lower(compute.ascii_trim_whitespace(ids))
    ids = compute.if_else(compute.match_substring_regex(ids, ANY_SHA1), normal, ids)
    return table.set_column(table.column_names.index("id"), "id", ids)


@dataclass
class Selection:
    """The result of the first pass: the numbers of rows and of rows to take, and the known bytes of
    these. The file VERDICTS has a byte for each row.
    """

    rows: int
    wanted: int
    bytes: int


@dataclass
class SegmentRows:
    """The rows of a segment: the verdict on each and its name, those that are taken, where the
    contents of some of these are already stored, and why some rows can't be read.
    """

    verdict: numpy.ndarray[Any, Any]
    names: list[str]
    taken: dict[int, dict[str, Any]]
    stored: dict[int, Place]
    problems: dict[int, str] = field(default_factory=dict)


def select(rows: FileRows, rules: RowRules, work: Path) -> Selection:
    """Passes over all rows once: decides on each, and finds repeated names."""
    facts = read_mark(work / SELECTION)
    if facts is not None:
        return Selection(**facts)
    row_filter = RowFilter(rules)
    finder = DuplicateFinder(work)
    size = 0
    with (work / VERDICTS).open("wb") as file:
        for table in rows.tables():
            verdict = row_filter.decide(table)
            file.write(verdict.tobytes())
            places = numpy.flatnonzero(verdict == WANTED)
            finder.add(row_keys(_names(table.take(places))), places, len(table))
            if "bytes" in table.column_names:
                size += compute.sum(table["bytes"].take(places)).as_py() or 0
    duplicates = _mark_duplicates(work / VERDICTS, finder.find())
    selection = Selection(finder.rows, finder.keys - duplicates, size)
    write_mark(work / SELECTION, [work / VERDICTS], asdict(selection))
    return selection


def _mark_duplicates(path: Path, bits: numpy.ndarray[Any, Any]) -> int:
    """Writes the verdicts on duplicates, which have a bit set, and returns their number."""
    count = 0
    with path.open("r+b") as file:
        for start in range(0, 8 * len(bits), AT_ONCE):
            verdict = numpy.frombuffer(bytearray(file.read(AT_ONCE)), numpy.uint8)
            part = bits[start >> 3 : (start + AT_ONCE) >> 3]
            again = numpy.unpackbits(part, count=len(verdict), bitorder="little").astype(bool)
            verdict[again] = DUPLICATE_VERDICT
            count += int(again.sum())
            file.seek(start)
            file.write(verdict.tobytes())
    return count


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


def segments(rows: FileRows, work: Path, stored: Stored, start: int) -> Iterator[Segment]:
    """Yields the segments from number `start`; `rest` is their SegmentRows, and `wanted` the rows
    whose contents are to be fetched. `work` has the selection.
    """
    with (work / VERDICTS).open("rb") as verdicts:
        for number, table in enumerate(rows.tables()):
            verdict = numpy.frombuffer(verdicts.read(len(table)), numpy.uint8)
            if number < start:
                continue
            found = numpy.flatnonzero(verdict == WANTED)
            places, names = found.tolist(), _names(table)
            taken = dict(zip(places, table.take(found).to_pylist(), strict=True))
            there: dict[int, Place] = {}
            wanted: dict[int, dict[str, Any]] = {}
            if rows.content != "inline":
                keys = row_keys([names[place] for place in places])
                there = {
                    places[at]: place
                    for at, place in stored.find(keys).items()
                    if stored.is_intact(keys[KEY_BYTES * at :][:KEY_BYTES], place)
                }
                wanted = {place: row for place, row in taken.items() if place not in there}
            held = len(taken) - len(wanted)
            problems = _problems(table)
            for place in problems:
                names[place] = _any_name(table.slice(place, 1))
            found_here = SegmentRows(verdict, names, taken, there, problems)
            yield Segment(number, wanted, found_here, held)


def _problems(table: pyarrow.Table) -> dict[int, str]:
    """Returns why rows can't be read, by their places."""
    if PROBLEM not in table.column_names:
        return {}
    told = enumerate(table[PROBLEM].to_pylist())
    return {place: problem for place, problem in told if problem is not None}


def _any_name(row: pyarrow.Table) -> str:
    """Returns what can be read of a broken row's name, if anything."""
    [values] = row.to_pylist()
    return next(filter(None, (values.get(column) for column in ("id", "url", "path"))), "")


def key_of(row: dict[str, Any]) -> bytes:
    """Returns the key of a row to fetch, KEY_BYTES long."""
    key = row_keys([row.get("id") or row["url"]])
    assert len(key) == KEY_BYTES
    return key
