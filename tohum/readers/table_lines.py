"""Parses a table's lines with Python's CSV parser, strictly, and resumes after a broken row.

In strict mode, a quote that ends in the middle of a field breaks its row; the lenient parser would
read it and the rows after it as one field.
"""

import bisect
import csv
import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tohum.readers.compression import read_chunks
from tohum.readers.escapes import double_quotes
from tohum.readers.lines import WIDE, count_lines, cut_lines, transcode
from tohum.readers.rows import LEAST_ROW_BYTES, FileFormat, too_long

CUT_OFF = "unexpected end of data"  # the parser's words for quotes that are open at the end
TOO_LONG = "field larger than field limit"  # and for a field longer than a row may be
NO_DELIMITER = "\x1f"  # of a file with a single column, whose commas are text
LINE_BYTES = 64  # of memory that a line takes besides its characters
MANY = b"\n" * 64  # blank lines
SKIPPED = '"\0"\0\n'  # in place of a line that is too long: breaks its row, in quotes or outside
Outcome = tuple[int, list[str] | str, int]  # line, cells or why there are none, characters


class Lines(list[str]):
    """Lines of a file, each with its end. `damaged`: lone surrogates in them do not decode, or one
    is SKIPPED. `blank`: instead of lines, line ends and nothing else, `feeds` of them line feeds.
    """

    damaged = False
    blank = ""
    feeds = 0


def read_table_lines(path: Path, format: FileFormat) -> Iterator[Lines]:
    """Yields the lines of a table, those that end in a chunk at once.

    Raises:
        UserError: its compressed data is damaged.
    """
    chunks = read_chunks(path, format.compression, format.limits.decoder)
    encoding = "utf-8" if format.encoding == "utf-8-sig" else format.encoding
    if encoding.startswith(WIDE):
        chunks, encoding = transcode(chunks, encoding), "utf-8"
    if format.carriage_returns:  # a line feed is one in a cell, and is read as a line end is
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    for piece in cut_lines(chunks, format.limits.row, 1):
        if isinstance(piece, int):
            yield _skipped()
            continue
        for part in _apart(piece):
            yield _decode(part, encoding, format.escapes)


def _apart(content: bytes) -> list[bytes]:
    """Returns lines in parts: many blank ones at the beginning or the end apart from the rest."""
    begin, end = 0, len(content)
    if not (content.startswith(MANY) or content.endswith(MANY)) or content.isspace():
        return [content]
    if content.startswith(MANY):
        begin = end - len(content.lstrip(b"\n"))
    if content.endswith(MANY):
        end = len(content.rstrip(b"\n")) + 1
    return [part for part in (content[:begin], content[begin:end], content[end:]) if part]


def _skipped() -> Lines:
    lines = Lines([SKIPPED])
    lines.damaged = True
    return lines


def _decode(content: bytes, encoding: str, escapes: str) -> Lines:
    lines = Lines()
    if content.isspace():
        feeds = count_lines(content)
        if feeds == len(content) or not content.translate(None, b"\r\n"):
            lines.blank = content.decode(encoding)
            lines.feeds = feeds
            return lines
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text, lines.damaged = content.decode(encoding, "surrogateescape"), True
    if "\ufeff" in text:  # of the file, and of one that was appended to it
        text = text.replace("\n\ufeff", "\n").removeprefix("\ufeff")
    if escapes:
        text = double_quotes(text, escapes)
    lines += split_lines(text)
    return lines


def split_lines(text: str) -> list[str]:
    """Returns the lines of a text, each with its line feed."""
    pieces = text.split("\n")
    last = pieces.pop()
    return [piece + "\n" for piece in pieces] + ([last] if last else [])


class Feed:
    """The lines of a table for the parser; those of the current row are kept, so that what follows
    the first line of a broken row can be read as rows.
    """

    def __init__(self, chunks: Iterable[Lines], largest: int) -> None:
        self._chunks = iter(chunks)
        self._largest = largest
        self._kept: list[Lines] = []
        self._numbers: list[int] = []  # of the first line of each of these
        self._size = 0
        self._number = 1  # of the next line
        self.rest: Iterator[str] = itertools.chain.from_iterable(self._rest())
        self.begun = 1  # the number of the current row's first line
        self.blank = 0  # lines between two rows that `rest` ended before, not to be parsed
        self.damaged = False
        self.too_long = False  # a row was longer than the longest and was forced to end

    def line(self, number: int) -> str:
        """Returns a kept line."""
        place = bisect.bisect_right(self._numbers, number) - 1
        return self._kept[place][number - self._numbers[place]]

    def recent(self) -> int:
        """Returns the first line of the latest chunks that make up half of the longest row."""
        place, size = len(self._kept), 0
        while place and size <= self._largest // 2:
            place -= 1
            size += _size(self._kept[place])
        return self._numbers[place]

    def skip_blank(self) -> int:
        """Returns how many blank lines ended `rest`, which then goes on after them."""
        count, self.blank = self.blank, 0
        self.begun += count
        self.rest = itertools.chain.from_iterable(self._rest())
        return count

    def _rest(self) -> Iterator[list[str]]:
        for lines in self._chunks:
            if lines.blank and self.begun == self._number:
                self.blank = lines.feeds + (not lines.blank.endswith("\n"))
                self._number += self.blank
                return
            if lines.blank:  # in a cell
                lines.extend(split_lines(lines.blank))
            while self._kept and self._numbers[0] + len(self._kept[0]) <= self.begun:
                self._size -= _size(self._kept.pop(0))
                del self._numbers[0]
            too_long = self._size > self._largest
            self._kept.append(lines)
            self._numbers.append(self._number)
            self._size += _size(lines)
            self.damaged = any(kept.damaged for kept in self._kept)
            self._number += len(lines)
            if too_long:
                self.too_long = True
                yield ['"\0']  # no quoted field is that long: makes an error in it
            yield lines


def _size(lines: Lines) -> int:
    return sum(map(len, lines)) + LINE_BYTES * len(lines)


def parse_table(
    chunks: Iterable[Lines],
    delimiter: str | None,
    quoted: bool = True,
    largest: int = LEAST_ROW_BYTES,
) -> Iterator[Outcome]:
    """Yields the rows of a table: the line where each begins, its cells or why it has none, and its
    number of characters. Empty rows, and Excel's `sep=;` on the first line, are skipped.

    Only the first line of a broken row is lost: the next line is read as a row again.

    Args:
        largest: how many characters a row may have.
    """
    csv.field_size_limit(largest)
    feed, number = Feed(chunks, largest), 1
    mark = delimiter or NO_DELIMITER
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    parse = functools.partial(csv.reader, delimiter=mark, quoting=quoting, strict=True)
    lines = feed.rest
    while True:
        reader, before = parse(lines), number
        try:
            for cells in reader:
                begun, number = number, before + reader.line_num
                feed.begun = number
                if row := _outcome(begun, cells, feed, mark, largest):
                    yield row
            if not feed.blank:
                return
            number += feed.skip_blank()
            lines = feed.rest
            continue
        except csv.Error as error:
            reason = str(error)
        last = before + reader.line_num - 1
        yield number, _why(feed, last, reason, largest), 0
        first_open = number + 1
        number, lines = _after_error(feed, number, last, reason)
        for inner in range(first_open, number):
            feed.begun = inner + 1
            if row := _inside(inner, feed, parse, mark, reason, largest):
                yield row
        feed.begun = number


def _after_error(feed: Feed, number: int, last: int, reason: str) -> tuple[int, Iterator[str]]:
    """Returns the line at which parsing resumes when the row that begins on line `number` broke on
    line `last`, and the lines from there.

    Every line between them was read inside quotes and left them open. A row that begins there and
    is open at the end of its own first line would break on `last` as well. So these lines are
    parsed one by one, never up to `last` again: that took time quadratic in their number.
    """
    if feed.too_long or reason.startswith(TOO_LONG):  # a row that begins near the end may still end
        end = last if feed.too_long else last + 1  # the line that forced the end is not in the file
        restart = min(end, max(number + 1, feed.recent()))
        feed.rest = itertools.chain([feed.line(each) for each in range(restart, end)], feed.rest)
        feed.too_long = False
        return restart, feed.rest
    if reason == CUT_OFF:
        return last + 1, feed.rest
    if last == number:
        return number + 1, feed.rest
    return last, itertools.chain([feed.line(last)], feed.rest)


def _why(feed: Feed, last: int, reason: str, largest: int) -> str:
    """Returns why the row is broken that broke on line `last`."""
    if feed.too_long or reason.startswith(TOO_LONG):
        return f"{too_long(None, largest)}: a quote in it may never end"
    if feed.damaged and feed.line(last) == SKIPPED:
        return f"line {last} of it is longer than the longest row, {largest:,} (by jsonl.max_bytes)"
    return f"not CSV: {reason}"


def _inside(
    number: int, feed: Feed, parse: Any, mark: str, reason: str, largest: int
) -> Outcome | None:
    """Returns a line parsed as a row; one that leaves quotes open breaks for the same `reason` as
    the row before it.
    """
    try:
        cells = next(parse([feed.line(number)]))
    except csv.Error as error:
        own = str(error)
        return number, f"not CSV: {reason if own == CUT_OFF else own}", 0
    return _outcome(number, cells, feed, mark, largest)


def _outcome(number: int, cells: list[str], feed: Feed, mark: str, largest: int) -> Outcome | None:
    if not any(cells) or (number == 1 and is_hint(mark.join(cells))):
        return None
    if feed.damaged:
        if cells[0] == SKIPPED.rstrip("\n"):
            return number, _why(feed, number, "", largest), 0
        if not _decoded(cells):
            return number, "it has bytes that do not decode", 0
    return number, cells, sum(map(len, cells))


def _decoded(cells: list[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True


def is_hint(line: str) -> bool:
    """Returns whether a first line is Excel's delimiter hint, `sep=;`."""
    return line.lower().startswith("sep=") and len(line.rstrip("\r\n")) == len("sep=") + 1
