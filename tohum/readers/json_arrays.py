"""Reads JSON: an array of objects, or an object with one list of objects, as {"data": [...]}.

An array of messages, or an object with one, is a single row; an object of columns is a table.

The file is never parsed as a whole: its elements are found by brackets and strings, and each is
parsed on its own. For that, a text that is compressed or not UTF-8 is held in memory once, up to
LARGEST_TEXT bytes.
"""

import mmap
import re
from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tohum.errors import UserError
from tohum.fields.column_objects import rows_of_columns, rows_of_lists
from tohum.fields.names import MESSAGES, find_roles
from tohum.fields.proposal import describe
from tohum.fields.speakers import is_bare_message, is_conversation
from tohum.readers.compression import read_chunks
from tohum.readers.lines import as_row, parse_again, transcode
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Row, RowBlock

LARGEST_TEXT = 1 << 30
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
SPACE = b" \t\r\n\xef\xbb\xbf"
REST = re.compile(rb"\s*+\Z")  # after the array
COMMA = re.compile(rb"\s*,?\s*")
Buffer = Any  # bytes or a mapped file: what `re` searches and slices


@dataclass
class Elements:
    """Elements of an array: where each begins and ends, in `content` or from `start` in a file."""

    number: int
    places: "array[int]" = field(repr=False)
    content: bytes | None = field(repr=False)
    path: Path
    start: int
    whole: bool = False  # the file is one value

    def rows(self) -> Iterator[Row | Broken]:
        """Parses the elements."""
        content = self.content
        if content is None:
            with self.path.open("rb") as file:
                file.seek(self.start)
                content = file.read(self.places[-1] - self.start)
        offsets = iter(self.places)
        for number, (begin, end) in enumerate(zip(offsets, offsets, strict=True), self.number):
            row = _parse(content[begin - self.start : end - self.start], number)
            yield from _table_rows(row) if self.whole else [row]


def _parse(element: bytes, number: int) -> Row | Broken:
    try:
        values = orjson.loads(element)
    except ValueError as error:
        return parse_again(element, number, "utf-8", error)
    return as_row(values, number)


def _table_rows(row: Row | Broken) -> Iterator[Row | Broken]:
    """Yields the rows of an object of columns, or the object as the only row."""
    table = None
    if isinstance(row, Row):
        table = rows_of_columns(row.values) or rows_of_lists(row.values)
    if table is None:
        yield row
    for number, values in enumerate(table or (), 1):
        yield Row(number, values)


def read_array(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of a JSON file.

    Raises:
        UserError: it ends too early, has no list of objects or several, or is too large to be held
            in memory where it has to be.
    """
    if format.compression is None and format.encoding.startswith("utf-8"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            yield from _cut(text, None, path)
    else:
        content = _whole(path, format)
        yield from _cut(content, content, path)


def _whole(path: Path, format: FileFormat) -> bytes:
    content = bytearray()
    for chunk in transcode(read_chunks(path, format.compression), format.encoding):
        content += chunk
        if len(content) > LARGEST_TEXT:
            raise UserError(
                f"{path} has more than {LARGEST_TEXT >> 20} MiB of JSON in one array, compressed "
                "or not in UTF-8. Save it as JSONL (`jq -c '.[]'`), or as plain UTF-8."
            )
    return bytes(content)


def _cut(text: Buffer, content: bytes | None, path: Path) -> Iterator[RowBlock]:
    number, first = 1, 1
    places: array[int] = array("Q")
    for begin, end in find_elements(text, path):
        places.extend((begin, end))
        number += 1
        if end - places[0] >= BLOCK_BYTES:
            yield _elements(first, places, content, path)
            places, first = array("Q"), number
    if places:
        yield _elements(first, places, content, path, places[-1] == len(text))


def _elements(
    number: int, places: "array[int]", content: bytes | None, path: Path, whole: bool = False
) -> Elements:
    start = places[0]
    piece = None if content is None else content[start : places[-1]]
    return Elements(number, places, piece, path, start, whole)


def find_elements(text: Buffer, path: Path) -> Iterator[tuple[int, int]]:
    """Yields the start and end of each element of the array, or of the one list of objects.

    Raises:
        UserError: as `read_array`.
    """
    opening = next(TOKEN.finditer(text), None)
    if opening is None or opening[0] not in b"[{" or text[: opening.start()].strip(SPACE):
        raise UserError(f"{path} is not JSON: it does not begin with [ or {{.")
    if opening[0] == b"[" and not is_bare_message(_first(text, opening.start(), path)):
        end = yield from _array(text, opening.start(), path)
        if not REST.match(text, end):
            raise UserError(
                f"{path} continues after its array ends, at byte {end + 1}. A file with one value "
                "on each line is JSONL: name it .jsonl."
            )
        return
    lists = _lists(text, path) if opening[0] == b"{" else {}
    if any(_is_conversation(name, _first(text, lists[name], path)) for name in lists):
        lists = {}
    if len(lists) > 1:
        raise UserError(
            f"{path} has several lists of objects: {', '.join(lists)}. Save the one you want "
            "as a file of its own, e.g. `jq -c '.{}[]' > rows.jsonl`.".replace(
                "{}", next(iter(lists))
            )
        )
    name = next(iter(lists), None)
    if name is None:
        yield opening.start(), len(text)  # the value is the only row, or a table of columns
    else:
        yield from _array(text, lists[name], path)


def _first(text: Buffer, start: int, path: Path) -> Any:
    """Returns the first element of the array that begins at `start`; None if it is broken."""
    begin, end = next(_array(text, start, path), (0, 0))
    try:
        return orjson.loads(text[begin:end])
    except ValueError:
        return None


def _is_conversation(name: str, first: Any) -> bool:
    """Returns whether a list of objects with this name and first element is a conversation, and not
    the rows of a table.
    """
    if not find_roles([name])[MESSAGES] or not isinstance(first, dict):
        return is_bare_message(first)
    return is_conversation([first]) or not describe(first).reads


def _array(text: Buffer, start: int, path: Path) -> Generator[tuple[int, int], None, int]:
    """Yields the elements of the array that begins at `start`, including those that are neither
    objects nor lists, in between; returns where it ends.
    """
    depth, after, begin = 0, start + 1, 0
    for token in TOKEN.finditer(text, start):
        kind = token[0][:1]
        if kind in b"[{":
            depth += 1
            if depth == 2:
                begin = token.start()
                yield from _plain(text, after, begin)
        elif kind in b"]}":
            depth -= 1
            if depth == 1:
                after = token.end()
                yield begin, after
            elif not depth:
                yield from _plain(text, after, token.start())
                return token.end()
    raise UserError(f"{path} ends before its array does: it was not copied or fetched completely.")


def _plain(text: Buffer, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields the strings, numbers and other values between two elements."""
    comma = COMMA.match(text, start, end)
    if comma is not None and comma.end() == end:
        return
    for found in re.finditer(rb'"(?:[^"\\]|\\.)*"|[^\s,"]+', text[start:end], re.DOTALL):
        yield start + found.start(), start + found.end()


def _lists(text: Buffer, path: Path) -> dict[str, int]:
    """Returns the keys of an object whose values are lists of objects, and where each begins."""
    lists: dict[str, int] = {}
    depth, key, opened = 0, b"", -1
    for token in TOKEN.finditer(text):
        kind = token[0][:1]
        if kind in b"[{":
            depth += 1
            if depth == 2:
                opened = token.start() if kind == b"[" else -1
            elif depth == 3 and kind == b"{" and opened >= 0:
                lists[key[1:-1].decode("utf-8", "replace")] = opened
                opened = -1
        elif kind in b"]}":
            depth -= 1
            if not depth:
                return lists
        elif depth == 1:
            key = token[0]
    raise UserError(f"{path} ends before its object does: it was not copied or fetched completely.")
