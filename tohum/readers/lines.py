"""Reads JSONL, one object per line; other lines are reported with their number. A line that is a
list of messages is the row {"messages": [...]}.

Uncompressed UTF-8 is not even passed on: a block is a range of the file, which its reader opens. Of
equal keys in an object, the last one counts; NaN and Infinity, which Python writes but JSON does
not have, are null.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from tohum.fields.dense_json import DENSE, MOST_VALUES, is_dense
from tohum.fields.speakers import is_conversation
from tohum.readers.compression import read_chunks
from tohum.readers.line_blocks import WIDE, count_lines, cut_lines, transcode
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Oversized, Row, RowBlock

VISIBLE = re.compile(rb"\S")


@dataclass
class LineRange:
    """The lines in bytes `start` to `end` of a file."""

    path: Path
    start: int
    end: int
    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Reads and parses the lines."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.end - self.start)
        return parse_lines(content, self.number, "utf-8")


@dataclass
class LineBytes:
    """Lines from a compressed file, in UTF-8 or a single-byte encoding."""

    lines: bytes
    number: int
    encoding: str

    def rows(self) -> Iterator[Row | Broken]:
        """Parses the lines."""
        return parse_lines(self.lines, self.number, self.encoding)


def read_lines(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of a JSONL file. A line that is longer than a row may be is not held.

    Raises:
        UserError: its compressed data is damaged.
    """
    utf_8 = format.encoding in ("utf-8", "utf-8-sig")
    largest = format.limits.row
    if format.compression is None and utf_8 and not format.carriage_returns:
        yield from _find_ranges(path, largest)
        return
    chunks = read_chunks(path, format.compression, format.limits.decoder)
    encoding = "utf-8" if utf_8 else format.encoding
    if encoding.startswith(WIDE):
        chunks, encoding = transcode(chunks, encoding), "utf-8"
    if format.carriage_returns:
        chunks = (chunk.replace(b"\r", b"\n") for chunk in chunks)
    number = 1
    for lines in cut_lines(chunks, largest, min(BLOCK_BYTES, largest)):
        if isinstance(lines, int):
            yield Oversized(number, lines, largest)
            number += 1
            continue
        if not lines.isspace():
            first = number == 1 and encoding == "utf-8"
            whole = lines.removeprefix(codecs.BOM_UTF8) if first else lines
            yield LineBytes(whole, number, encoding)
        number += count_lines(lines)


def _find_ranges(path: Path, largest: int) -> Iterator[RowBlock]:
    number, most = 1, min(BLOCK_BYTES, largest)
    with path.open("rb") as file:
        start = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
        while True:
            file.seek(start)
            content = file.read(most)
            if not content:
                return
            size, lines = _whole_lines(file, content, most)
            if size > largest:
                yield Oversized(number, size, largest)
            elif not content.isspace():
                yield LineRange(path, start, start + size, number)
            start += size
            number += lines


def _whole_lines(file: IO[bytes], content: bytes, most: int) -> tuple[int, int]:
    """Returns the size and number of the lines that end in `content`; if none does, of the one that
    continues in the file.
    """
    if len(content) < most:
        return len(content), count_lines(content)
    if end := content.rfind(b"\n") + 1:
        return end, count_lines(content, end)
    size = len(content)
    while piece := file.read(BLOCK_BYTES):
        if end := piece.find(b"\n") + 1:
            return size + end, 1
        size += len(piece)
    return size, 1


def parse_lines(content: bytes, number: int, encoding: str) -> Iterator[Row | Broken]:
    """Yields each line as a row or as broken; empty lines are skipped."""
    loads = orjson.loads
    lines = io.BytesIO(content)
    number -= 1
    for line in lines:
        number += 1
        if len(line) > MOST_VALUES and is_dense(line):  # a call for each line would be seen
            yield Broken(number, DENSE)
            continue
        try:
            values = loads(line if encoding == "utf-8" else line.decode(encoding))
        except ValueError:
            if line.isspace():
                number += _skip_blank(lines, content)
            else:
                yield from _parse_rest(line, number, encoding)
            continue
        yield Row(number, values) if type(values) is dict else as_row(values, number)


def as_row(value: Any, number: int) -> Row | Broken:
    """Returns a value as a row: an object, or a conversation that is a list of messages."""
    if isinstance(value, dict):
        return Row(number, value)
    if is_conversation(value):
        return Row(number, {"messages": value})
    expected = "an object, or a list of messages" if isinstance(value, list) else "an object"
    return Broken(number, f"it is {kind_of(value)}, expected {expected}")


def _skip_blank(lines: io.BytesIO, content: bytes) -> int:
    """Skips the blank lines that follow, all at once, and returns their number."""
    place = lines.tell()
    found = VISIBLE.search(content, place)
    end = content.rfind(b"\n", place, found.start() if found else len(content)) + 1
    if not end:
        return 0
    lines.seek(end)
    return content.count(b"\n", place, end)


def _parse_rest(line: bytes, number: int, encoding: str) -> Iterator[Row | Broken]:
    """Reads a line that orjson does not read as a whole. It may be many, in a part of the file
    whose lines end in a carriage return alone; then they share a number.
    """
    if b"\r" in line[:-2]:
        parts = [part for part in line.split(b"\r") if part.strip()]
        rows = [parse_again(part, number, encoding) for part in parts]
        if len(rows) > 1 and any(isinstance(row, Row) for row in rows):
            yield from rows
            return
    yield parse_again(line, number, encoding)


def parse_again(line: bytes, number: int, encoding: str) -> Row | Broken:
    """Reads what orjson does not: NaN and Infinity, as null, and an object after a byte order mark.
    The rest is broken.
    """
    try:
        text = line.decode(encoding).removeprefix("\ufeff")
        values = json.loads(text, parse_constant=lambda _: None)
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeDecodeError as undecodable:
        byte = line[undecodable.start]
        return Broken(number, f"byte {undecodable.start + 1} (0x{byte:02X}) is not {encoding}")
    except UnicodeEncodeError:
        return Broken(number, "not JSON: it has half a surrogate pair, which is not a character")
    except RecursionError:
        return Broken(number, "not JSON: its lists and objects are nested too deeply")
    except json.JSONDecodeError as problem:  # whose "line 1" is always this line
        return Broken(number, f"not JSON: {problem.msg}, at its character {problem.pos + 1}")
    except ValueError as problem:
        return Broken(number, f"not JSON: {problem}")
    return as_row(values, number)


def kind_of(value: Any) -> str:
    """Returns the kind of a value in JSON's terms."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
