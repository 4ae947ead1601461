"""What every reader yields: rows, broken lines, and blocks of them.

A block is a piece of a file of about BLOCK_BYTES of input. Blocks can be pickled, so that a worker
process does the parsing; where they begin and end depends on the file alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

BLOCK_BYTES = 8 << 20
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(slots=True)
class Row:
    """One row; `number` counts from 1: its line (JSONL), the line where it begins (CSV), or its
    place among the rows (JSON, parquet).
    """

    number: int
    values: dict[str, Any]


@dataclass(slots=True)
class Broken:
    """A line or a row that cannot be read, and why."""

    number: int
    reason: str


@dataclass
class FileFormat:
    """How to read a file.

    `format` is jsonl, json, csv, tsv, parquet or excel; `compression` gzip, zstd, xz, bzip2 or
    None; `encoding` is Python's name; `delimiter` is None for a single column. With `quoted` false,
    a quotation mark is a letter like any other. `notes` say what was found and how certain it is.
    """

    format: str
    compression: str | None
    encoding: str
    delimiter: str | None
    notes: list[str] = field(default_factory=list)
    quoted: bool = True

    def facts(self) -> dict[str, str]:
        """Returns what was found in words that do not depend on the file: its format, a text's
        encoding, a table's delimiter and, if they are letters, its quotes.
        """
        facts = {"format": self.format}
        if self.format not in ("parquet", "excel"):
            facts["encoding"] = self.encoding
        if self.format in ("csv", "tsv"):
            mark = self.delimiter
            facts["delimiter"] = DELIMITERS.get(mark, mark) if mark else "a single column"
            if not self.quoted:
                facts["quotes"] = "letters"
        return facts


class RowBlock(Protocol):
    """A piece of a file: the number of its first row (or line), and its rows."""

    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Reads and parses the rows."""
