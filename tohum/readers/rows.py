"""What every reader yields: rows, broken lines, and blocks of them.

A block is a piece of a file of about BLOCK_BYTES of input. Blocks can be pickled, so that a worker
process does the parsing; where they begin and end depends on the file alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tohum.errors import UserError

BLOCK_BYTES = 8 << 20
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
LEAST_ROW_BYTES = 128 << 20  # a row of many documents, such as a repository with its files
LONGER_THAN_TEXT = 8  # a row next to its text: JSON's escapes are up to 6 times as long
DECODER_BYTES = 4_000_000_000


class EmptyFileError(UserError):
    """There is nothing in a file, or in what it unpacks to: no row, and no fault."""


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


@dataclass(frozen=True)
class ReadLimits:
    """What a reader may hold in memory, in bytes: a row, and what a file's decoder needs, such as
    the window of zstd. A longer row is broken, and is not held to find that out.
    """

    row: int = LEAST_ROW_BYTES
    decoder: int = DECODER_BYTES

    @classmethod
    def for_documents(cls, largest: int, decoder: int) -> "ReadLimits":
        """Returns the limits for documents of up to `largest` bytes."""
        return cls(max(LEAST_ROW_BYTES, LONGER_THAN_TEXT * largest), decoder)


@dataclass
class FileFormat:
    """How to read a file.

    `format` is jsonl, json, csv, tsv, parquet, arrow or excel; `compression` gzip, zstd, xz, bzip2
    or None; `encoding` is Python's name; `delimiter` is None for a single column. `notes` say what
    was found and how certain it is.

    Of a table: with `quoted` false, a quotation mark is a letter like any other; `escapes` says
    what a backslash escapes (escapes.py); `header_line` is the line of its header, which titles may
    precede. With `carriage_returns`, lines end in one, without a line feed.
    """

    format: str
    compression: str | None
    encoding: str
    delimiter: str | None
    notes: list[str] = field(default_factory=list)
    quoted: bool = True
    escapes: str = ""
    header_line: int = 1
    carriage_returns: bool = False
    limits: ReadLimits = field(default_factory=ReadLimits)

    def facts(self) -> dict[str, str]:
        """Returns what was found in words that do not depend on the file: its format, a text's
        encoding, a table's delimiter and, where unusual, its line ends, quotes and escapes.
        """
        facts = {"format": self.format}
        if self.format not in ("parquet", "arrow", "excel"):
            facts["encoding"] = self.encoding
        if self.carriage_returns:
            facts["line ends"] = "carriage returns"
        if self.format in ("csv", "tsv"):
            mark = self.delimiter
            facts["delimiter"] = DELIMITERS.get(mark, mark) if mark else "a single column"
            if not self.quoted:
                facts["quotes"] = "letters"
            if self.escapes:
                facts["backslashes"] = f"before {self.escapes}"
        return facts


class RowBlock(Protocol):
    """A piece of a file: the number of its first row (or line), and its rows."""

    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Reads and parses the rows."""


@dataclass
class Oversized:
    """A row of more bytes than may be held; they were read and not kept."""

    number: int
    bytes: int
    largest: int

    def rows(self) -> Iterator[Row | Broken]:
        """Yields the row as broken."""
        yield Broken(self.number, too_long(self.bytes, self.largest))


def too_long(size: int | None, largest: int) -> str:
    """Returns why a row of `size` bytes is broken; None: it was not read to its end."""
    measured = f"it has {size:,} bytes" if size is not None else "it goes on"
    return f"{measured}, more than the {largest:,} of the longest row (by jsonl.max_bytes)"
