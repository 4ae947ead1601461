"""Reads JSONL, one object per line; other lines are reported with their number. A line that is a
list of messages is the row {"messages": [...]}.

Uncompressed UTF-8 is not even passed on: a block is a range of the file, which its reader opens. Of
equal keys in an object, the last one counts; NaN and Infinity, which Python writes but JSON does
not have, are null.
"""

import codecs
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy
import orjson

from tohum.fields.speakers import is_conversation
from tohum.readers.compression import read_chunks
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Row, RowBlock

WIDE = ("utf-16", "utf-32")
ERRORS = {"utf-16": "surrogatepass", "utf-32": "tohum.lone"}  # of the others: surrogateescape


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
            lines = io.BytesIO(file.read(self.end - self.start))
        return parse_lines(lines, self.number, "utf-8")


@dataclass
class LineBytes:
    """Lines from a compressed file, in UTF-8 or a single-byte encoding."""

    lines: bytes
    number: int
    encoding: str

    def rows(self) -> Iterator[Row | Broken]:
        """Parses the lines."""
        return parse_lines(io.BytesIO(self.lines), self.number, self.encoding)


def read_lines(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of a JSONL file.

    Raises:
        UserError: its compressed data is damaged.
    """
    utf_8 = format.encoding in ("utf-8", "utf-8-sig")
    if format.compression is None and utf_8:
        yield from _find_ranges(path)
        return
    chunks = read_chunks(path, format.compression)
    encoding = "utf-8" if utf_8 else format.encoding
    if encoding.startswith(WIDE):
        chunks, encoding = transcode(chunks, encoding), "utf-8"
    number = 1
    for lines in cut_lines(chunks):
        first = number == 1 and encoding == "utf-8"
        yield LineBytes(lines.removeprefix(codecs.BOM_UTF8) if first else lines, number, encoding)
        number += count_lines(lines)


def count_lines(content: bytes, size: int = -1) -> int:
    """Returns the number of line feeds in the first `size` bytes; twice as fast as bytes.count."""
    if not content:
        return 0
    return int(numpy.count_nonzero(numpy.frombuffer(content, numpy.uint8, size) == ord("\n")))


def _find_ranges(path: Path) -> Iterator[LineRange]:
    number = 1
    with path.open("rb") as file:
        start = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
        while True:
            file.seek(start)
            content = file.read(BLOCK_BYTES)
            if not content:
                return
            size, lines = _whole_lines(file, content)
            yield LineRange(path, start, start + size, number)
            start += size
            number += lines


def _whole_lines(file: IO[bytes], content: bytes) -> tuple[int, int]:
    """Returns the size and number of the lines that end in `content`; if none does, of the one that
    continues in the file.
    """
    if len(content) < BLOCK_BYTES:
        return len(content), count_lines(content)
    if end := content.rfind(b"\n") + 1:
        return end, count_lines(content, end)
    size = len(content)
    while piece := file.read(BLOCK_BYTES):
        if end := piece.find(b"\n") + 1:
            return size + end, 1
        size += len(piece)
    return size, 1


def _lone(error: UnicodeError) -> tuple[str, int]:
    """Replaces what is not a character with half a surrogate pair, which is not valid UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error("tohum.lone", _lone)


def transcode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yields text of any encoding in UTF-8; what does not decode becomes invalid UTF-8, so that
    only its line fails. UTF-16 without a mark is little-endian, as on Windows.
    """
    decoder: codecs.IncrementalDecoder | None = None
    for chunk in chunks:
        if decoder is None:
            if encoding == "utf-16":
                encoding = "utf-16-be" if chunk.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
            errors = ERRORS.get(encoding[:6], "surrogateescape")
            decoder = codecs.getincrementaldecoder(encoding)(errors)
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder is not None and decoder.getstate()[0]:
        yield b"\xff"  # half a character at the end


def cut_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields whole lines, about BLOCK_BYTES of them at once; a longer line alone."""
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size < BLOCK_BYTES or b"\n" not in chunk:
            continue
        end = chunk.rfind(b"\n") + 1
        pieces[-1] = chunk[:end]
        yield b"".join(pieces)
        pieces, size = [chunk[end:]], len(chunk) - end
    if size:
        yield b"".join(pieces)


def parse_lines(lines: Iterable[bytes], number: int, encoding: str) -> Iterator[Row | Broken]:
    """Yields each line as a row or as broken; empty lines are skipped."""
    loads = orjson.loads
    for place, line in enumerate(lines, number):
        try:
            values = loads(line if encoding == "utf-8" else line.decode(encoding))
        except ValueError as error:
            if line.isspace() or not line:
                continue
            yield parse_again(line, place, encoding, error)
            continue
        yield Row(place, values) if type(values) is dict else as_row(values, place)


def as_row(value: Any, number: int) -> Row | Broken:
    """Returns a value as a row: an object, or a conversation that is a list of messages."""
    if isinstance(value, dict):
        return Row(number, value)
    if is_conversation(value):
        return Row(number, {"messages": value})
    expected = "an object, or a list of messages" if isinstance(value, list) else "an object"
    return Broken(number, f"it is {kind_of(value)}, expected {expected}")


def parse_again(line: bytes, number: int, encoding: str, error: ValueError) -> Row | Broken:
    """Reads what orjson does not, NaN and Infinity, as null. The rest is broken."""
    try:
        values = json.loads(line.decode(encoding), parse_constant=lambda _: None)
        orjson.dumps(values)  # fails if half a surrogate pair was escaped
    except UnicodeDecodeError as undecodable:
        byte = line[undecodable.start]
        return Broken(number, f"byte {undecodable.start + 1} (0x{byte:02X}) is not {encoding}")
    except (ValueError, TypeError, RecursionError):
        problem = str(error)
        if isinstance(error, json.JSONDecodeError):  # whose "line 1" is always this line
            problem = f"{error.msg}, at its character {error.pos + 1}"
        return Broken(number, f"not JSON: {problem}")
    return as_row(values, number)


def kind_of(value: Any) -> str:
    """Returns the kind of a value in JSON's terms."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
