"""Reads CSV and TSV as people write them: with quotes, multi-line fields, and Excel's additions.

A row that is not as wide as the header is broken, like one that the parser rejects
(table_lines.py); empty cells that Excel adds at the end don't count.

Parsing happens where the file is read. For workers to do it, the file has to be cut where rows end;
with a compiled scan for that, 146 MB of code and 84 MB of short rows took 10 to 19 % more CPU time
in all, and were not faster.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tohum.errors import UserError
from tohum.readers.rows import BLOCK_BYTES, Broken, EmptyFileError, FileFormat, Row, RowBlock
from tohum.readers.table_feed import read_table_lines
from tohum.readers.table_lines import parse_table

ROW_BYTES = 64  # of memory that a row takes besides its characters
SPACES = " \t\u00a0\ufeff\u200b\u202f"  # around a header: non-breaking and zero-width ones too

log = logging.getLogger(__name__)


@dataclass
class TableRows:
    """Parsed rows of a table: the line where each begins, and its cells or why it has none."""

    header: list[str]
    number: int
    parsed: list[tuple[int, list[str] | str]] = field(repr=False)

    def rows(self) -> Iterator[Row | Broken]:
        """Yields the rows with the names of the header."""
        header, width = self.header, len(self.header)
        for number, cells in self.parsed:
            if isinstance(cells, str):
                yield Broken(number, cells)
            elif len(cells) == width or (len(cells) > width and not any(cells[width:])):
                yield Row(number, dict(zip(header, cells, strict=False)))
            else:
                yield Broken(number, f"{len(cells)} cells, the header has {width}")


def read_table(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of a CSV or TSV file. Rows that repeat the header are left out: files were
    appended to each other. If they have its names in another order, it is that from there on.

    Raises:
        EmptyFileError: it has no header.
        UserError: its header can't be read, or its compressed data is damaged.
    """
    lines = read_table_lines(path, format)
    largest = format.limits.row
    header: list[str] | None = None
    repeats: list[int] = []
    parsed: list[tuple[int, list[str] | str]] = []
    size = 0
    for number, cells, characters in parse_table(lines, format.delimiter, format.quoted, largest):
        if header is None:
            if number >= format.header_line:
                header, names = read_header(cells, path), _names(cells)
                longest = max(map(len, cells))
            continue
        if len(cells[0]) <= longest and cells[0].strip(SPACES) in names and _names(cells) == names:
            if parsed:
                yield TableRows(header, parsed[0][0], parsed)
                parsed, size = [], 0
            header = read_header(cells, path)
            repeats.append(number)
            continue
        parsed.append((number, cells))
        size += characters + ROW_BYTES
        if size >= BLOCK_BYTES:
            yield TableRows(header, parsed[0][0], parsed)
            parsed, size = [], 0
    if header is None:
        raise EmptyFileError(f"{path} is empty: expected a header and rows.")
    if parsed:
        yield TableRows(header, parsed[0][0], parsed)
    if repeats:
        shown = ", ".join(map(str, repeats[:5])) + (", ..." if len(repeats) > 5 else "")
        log.warning(
            "%s: the header is repeated on line %s, left out: files were appended", path, shown
        )


def _names(cells: list[str] | str) -> list[str]:
    """Returns the names in a row in alphabetical order, to compare it with the header."""
    return [] if isinstance(cells, str) else sorted(filter(None, (c.strip(SPACES) for c in cells)))


def read_header(cells: list[str] | str, path: Path) -> list[str]:
    """Returns the names of the columns, stripped: nameless ones at the end are left out, others are
    called "column 2", and repeated names are made unique.

    Raises:
        UserError: the header could not be read.
    """
    if isinstance(cells, str):
        raise UserError(f"{path}: the header can't be read: {cells}.")
    names = [cell.strip(SPACES) for cell in cells]
    while names and not names[-1]:
        names.pop()
    header: dict[str, None] = {}
    for number, name in enumerate(names, 1):
        unique = name or f"column {number}"
        while unique in header:
            unique += f" ({number})"
        header[unique] = None
    return list(header)
