"""Parses a table's lines with Python's CSV parser, strictly, and resumes after a broken row.

In strict mode, a quote that ends in the middle of a field breaks its row; the lenient parser would
read it and the rows after it as one field.
"""

import bisect
import csv
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from tohum.readers.lines import WIDE, transcode

LONGEST_ROW = 1 << 28  # characters; bounds the memory of a quote that never ends
CUT_OFF = "unexpected end of data"  # the parser's words for quotes that are open at the end
TOO_LONG = "field larger than field limit"  # and for a field longer than LONGEST_ROW
NO_DELIMITER = "\x1f"  # of a file with a single column, whose commas are text
Outcome = tuple[int, list[str] | str, int]  # line, cells or why there are none, characters


class Lines(list[str]):
    """Lines of a file, each with its end. `damaged`: lone surrogates in them do not decode."""

    damaged = False


def decode_chunks(chunks: Iterable[bytes], encoding: str) -> Iterator[Lines]:
    """Yields the lines of a file, those that end in a chunk at once."""
    if encoding.startswith(WIDE):
        chunks, encoding = transcode(chunks, encoding), "utf-8"
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    begun, rest = False, b""
    long: list[bytes] = []  # pieces of a line that has not ended yet
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if not end:
            long.append(chunk)
            continue
        yield _decode(rest + b"".join(long) + chunk[:end], name, begun)
        begun, rest, long = True, chunk[end:], []
    if rest or long:
        yield _decode(rest + b"".join(long), name, begun)


def _decode(content: bytes, encoding: str, begun: bool) -> Lines:
    try:
        text, damaged = content.decode(encoding), False
    except UnicodeDecodeError:
        text, damaged = content.decode(encoding, "surrogateescape"), True
    pieces = (text if begun else text.removeprefix("\ufeff")).split("\n")
    last = pieces.pop()
    lines = Lines([piece + "\n" for piece in pieces] + ([last] if last else []))
    lines.damaged = damaged
    return lines


class Feed:
    """The lines of a table for the parser; those of the current row are kept, so that what follows
    the first line of a broken row can be read as rows.
    """

    def __init__(self, chunks: Iterable[Lines]) -> None:
        self._chunks = iter(chunks)
        self._kept: list[Lines] = []
        self._numbers: list[int] = []  # of the first line of each of these
        self._characters = 0
        self.rest: Iterator[str] = itertools.chain.from_iterable(self._rest())
        self.begun = 1  # the number of the current row's first line
        self.damaged = False
        self.too_long = False  # a row was longer than LONGEST_ROW and was forced to end

    def line(self, number: int) -> str:
        """Returns a kept line."""
        place = bisect.bisect_right(self._numbers, number) - 1
        return self._kept[place][number - self._numbers[place]]

    def recent(self) -> int:
        """Returns the first line of the latest chunks that make up half of LONGEST_ROW."""
        place, size = len(self._kept), 0
        while place and size <= LONGEST_ROW // 2:
            place -= 1
            size += sum(map(len, self._kept[place]))
        return self._numbers[place]

    def _rest(self) -> Iterator[list[str]]:
        number = 1
        for lines in self._chunks:
            while self._kept and self._numbers[0] + len(self._kept[0]) <= self.begun:
                self._characters -= sum(map(len, self._kept.pop(0)))
                del self._numbers[0]
            too_long = self._characters > LONGEST_ROW
            self._kept.append(lines)
            self._numbers.append(number)
            self._characters += sum(map(len, lines))
            self.damaged = any(kept.damaged for kept in self._kept)
            number += len(lines)
            if too_long:
                self.too_long = True
                yield ['"\0']  # no quoted field is that long: makes an error in it
            yield lines


def parse_table(
    chunks: Iterable[Lines], delimiter: str | None, quoted: bool = True
) -> Iterator[Outcome]:
    """Yields the rows of a table: the line where each begins, its cells or why it has none, and its
    number of characters. Empty rows, and Excel's `sep=;` on the first line, are skipped.

    Only the first line of a broken row is lost: the next line is read as a row again.
    """
    csv.field_size_limit(LONGEST_ROW)
    feed, number = Feed(chunks), 1
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
                if row := _outcome(begun, cells, feed, mark):
                    yield row
            return
        except csv.Error as error:
            reason = str(error)
        yield number, f"not CSV: {reason}", 0
        last = before + reader.line_num - 1
        first_open = number + 1
        number, lines = _after_error(feed, number, last, reason)
        for inner in range(first_open, number):
            feed.begun = inner + 1
            if row := _inside(inner, feed, parse, mark, reason):
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


def _inside(number: int, feed: Feed, parse: Any, mark: str, reason: str) -> Outcome | None:
    """Returns a line parsed as a row; one that leaves quotes open breaks for the same `reason` as
    the row before it.
    """
    try:
        cells = next(parse([feed.line(number)]))
    except csv.Error as error:
        own = str(error)
        return number, f"not CSV: {reason if own == CUT_OFF else own}", 0
    return _outcome(number, cells, feed, mark)


def _outcome(number: int, cells: list[str], feed: Feed, mark: str) -> Outcome | None:
    if not any(cells) or (number == 1 and is_hint(mark.join(cells))):
        return None
    if feed.damaged and not _decoded(cells):
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
