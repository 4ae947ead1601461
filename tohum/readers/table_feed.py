"""Reads the lines of a table for its parser, and keeps those of the row that is being parsed.

A line that is longer than a row may be is replaced by one that breaks its row, and blank lines
between two rows are passed over in whole chunks.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from tohum.readers.compression import read_chunks
from tohum.readers.escapes import double_quotes
from tohum.readers.line_blocks import WIDE, count_lines, cut_lines, transcode
from tohum.readers.rows import FileFormat

LINE_BYTES = 64  # of memory that a line takes besides its characters
MANY = b"\n" * 64  # blank lines
SKIPPED = '"\0"\0\n'  # in place of a line that is too long: breaks its row, in quotes or outside


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
