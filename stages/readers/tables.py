"""CSV and TSV as people have them: quotes, fields with line feeds in them, what Excel adds.

The standard library's parser, strict: a quote that ends in the middle of a field breaks its row,
where the lenient one would take it and the rows after it for one field. A row of another width than
the header is broken too; cells that Excel adds at the end are no cells as long as they are empty.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.errors import UserError
from stages.readers.compression import read_chunks
from stages.readers.lines import WIDE, transcode
from stages.readers.rows import BLOCK_BYTES, Block, Broken, FileFormat, Row

LONGEST_ROW = 1 << 28  # characters; a quote that never ends takes no more memory than that
NO_DELIMITER = "\x1f"  # of a file with a single column, whose commas are text
SPACES = " \t\u00a0\ufeff\u200b\u202f"  # around a header: non-breaking and zero-width ones too


@dataclass
class TableRows:
    """Rows of a table that are parsed already: the line each begins on, and its cells or why it
    has none.
    """

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


def read_table(path: Path, format: FileFormat) -> Iterator[Block]:
    """Yields the blocks of a CSV or TSV file.

    Raises:
        UserError: it has no header, or its compressed data is damaged.
    """
    lines = decode_lines(read_chunks(path, format.compression), format.encoding)
    header: list[str] | None = None
    parsed: list[tuple[int, list[str] | str]] = []
    size = 0
    for number, cells, characters in parse_table(lines, format.delimiter, format.quoted):
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


def decode_lines(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Yields the lines, each with its end; what does not decode is a lone surrogate in them."""
    if encoding.startswith(WIDE):
        chunks, encoding = transcode(chunks, encoding), "utf-8"
    name, first = "utf-8" if encoding == "utf-8-sig" else encoding, True
    rest: list[bytes] = []
    for chunk in chunks:
        whole = chunk.rfind(b"\n") + 1
        if not whole:
            rest.append(chunk)
            continue
        rest.append(chunk[:whole])
        for line in b"".join(rest).split(b"\n")[:-1]:
            text = _decode(line, name) + "\n"
            yield text.removeprefix("\ufeff") if first else text
            first = False
        rest = [chunk[whole:]]
    if last := b"".join(rest):
        yield _decode(last, name).removeprefix("\ufeff" if first else "")


def _decode(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode(encoding, "surrogateescape")


class Lines:
    """The lines of the row that is being parsed, which can be given back to be parsed again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []  # the next one last
        self.row: list[str] = []
        self.size = 0  # of the row, in characters

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self.row.append(line)
        self.size += len(line)
        return '"\0' if self.size > LONGEST_ROW and len(self.row) > 1 else line  # an error

    def begin(self) -> None:
        """Begins a row with the next line."""
        self.row, self.size = [], 0

    def keep_one(self) -> None:
        """Ends the row after its first line."""
        self._again.extend(reversed(self.row[1:]))
        del self.row[1:]
        self.size = len(self.row[0])


def parse_table(
    lines: Iterable[str], delimiter: str | None, quoted: bool = True
) -> Iterator[tuple[int, list[str] | str, int]]:
    """Yields the rows of a table: the line each begins on, its cells or why it has none, and how
    many characters it took. Empty rows, and Excel's `sep=;` on the first line, are passed over.

    Of a row that breaks only the first line is lost: the next one is read as a row again.
    """
    csv.field_size_limit(LONGEST_ROW)
    feed, number = Lines(iter(lines)), 1
    reader = csv.reader(
        feed,
        delimiter=delimiter or NO_DELIMITER,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        feed.begin()
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = f"not CSV: {error}"
            feed.keep_one()
        begun, number = number, number + len(feed.row)
        if isinstance(cells, list):
            if not any(cells) or (begun == 1 and is_hint(feed.row[0])):
                continue
            if not _decoded(feed.row):
                cells = "it has bytes that do not decode"
        yield begun, cells, feed.size


def _decoded(lines: list[str]) -> bool:
    try:
        for line in lines:
            if not line.isascii():
                line.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_hint(line: str) -> bool:
    """Tells whether a first line is Excel's hint at the delimiter, `sep=;`."""
    return line.lower().startswith("sep=") and len(line.rstrip("\r\n")) == len("sep=") + 1


def read_header(cells: list[str] | str, path: Path) -> list[str]:
    """Returns the names of the columns: stripped, those without one at the end left out, the
    others called "column 2", a name that stands twice made another.

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
