"""Reads CSV and TSV as people write them: with quotes, multi-line fields, and Excel's additions.

A row that is not as wide as the header is broken, like one that the parser rejects
(table_lines.py); empty cells that Excel adds at the end don't count.

Parsing happens where the file is read. For workers to do it, the file has to be cut where rows end;
with a compiled scan for that, 146 MB of code and 84 MB of short rows took 10 to 19 % more CPU time
in all, and were not faster.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tohum.errors import UserError
from tohum.readers.compression import read_chunks
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Row, RowBlock
from tohum.readers.table_lines import decode_chunks, parse_table

SPACES = " \t\u00a0\ufeff\u200b\u202f"  # around a header: non-breaking and zero-width ones too


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
    """Yields the blocks of a CSV or TSV file.

    Raises:
        UserError: it has no header, or its compressed data is damaged.
    """
    chunks = decode_chunks(read_chunks(path, format.compression), format.encoding)
    header: list[str] | None = None
    parsed: list[tuple[int, list[str] | str]] = []
    size = 0
    for number, cells, characters in parse_table(chunks, format.delimiter, format.quoted):
        if header is None:
            header = read_header(cells, path)
            continue
        parsed.append((number, cells))
        size += characters
        if size >= BLOCK_BYTES:
            yield TableRows(header, parsed[0][0], parsed)
            parsed, size = [], 0
    if header is None:
        raise UserError(f"{path} is empty: expected a header and rows.")
    if parsed:
        yield TableRows(header, parsed[0][0], parsed)


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
    header: list[str] = []
    for number, name in enumerate(names, 1):
        unique = name or f"column {number}"
        while unique in header:
            unique += f" ({number})"
        header.append(unique)
    return header
