"""Reads JSON: an array of objects, an object with one list of objects, as {"data": [...]}, or one
object after another.

The file is never parsed or held as a whole: its elements are found by brackets and strings, and
each is parsed on its own. One that is longer than a row may be is not held either. An object is
read twice, first to find its lists. An array of messages, or an object with one, is a single row; a
single object of columns is a table.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from tohum.errors import UserError
from tohum.fields.column_objects import rows_of_columns, rows_of_lists
from tohum.fields.dense_json import DENSE, is_dense
from tohum.fields.names import MESSAGES, find_roles, listed
from tohum.fields.proposal import describe
from tohum.fields.speakers import is_bare_message, is_conversation
from tohum.readers.compression import read_chunks
from tohum.readers.json_elements import ElementFinder, UnfinishedError
from tohum.readers.line_blocks import transcode
from tohum.readers.lines import as_row, parse_again
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Oversized, Row, RowBlock

SPACE = b" \t\r\n\xef\xbb\xbf"
ELEMENT_BYTES = 33  # of memory that an element takes besides its own
MOST_TRIED = 10  # lists in an object
HEAD_BYTES = 200  # of a key, or a value, that are held to look for lists
Place = tuple[int, int]


@dataclass
class ElementRange:
    """Elements in a file that is UTF-8: where each begins and ends."""

    path: Path
    number: int
    places: "array[int]" = field(repr=False)

    def rows(self) -> Iterator[Row | Broken]:
        """Reads and parses the elements."""
        start = self.places[0]
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read(self.places[-1] - start)
        ends = iter(self.places)
        for number, (begin, end) in enumerate(zip(ends, ends, strict=True), self.number):
            yield _parse(content[begin - start : end - start], number)


@dataclass
class Elements:
    """Elements of a file that is compressed or not UTF-8."""

    number: int
    elements: list[bytes] = field(repr=False)

    def rows(self) -> Iterator[Row | Broken]:
        """Parses the elements."""
        for number, element in enumerate(self.elements, self.number):
            yield _parse(element, number)


def _parse(element: bytes, number: int) -> Row | Broken:
    if is_dense(element):
        return Broken(number, DENSE)
    try:
        values = orjson.loads(element)
    except ValueError:
        return parse_again(element, number, "utf-8")
    return as_row(values, number)


@dataclass
class SingleObject:
    """A file that is one object: a table of columns, or the only row."""

    element: bytes = field(repr=False)
    number: int = 1

    def rows(self) -> Iterator[Row | Broken]:
        """Parses the object."""
        row, table = _parse(self.element, 1), None
        if isinstance(row, Row):
            table = rows_of_columns(row.values) or rows_of_lists(row.values)
        if table is None:
            yield row
        for number, values in enumerate(table or (), 1):
            yield Row(number, values)


def read_array(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of a JSON file.

    Raises:
        UserError: it ends too early, or has no list of objects or several.
    """
    first = _first_byte(path, format)
    if first not in (b"[", b"{"):
        raise UserError(f"{path} is not JSON: it does not begin with [ or {{.")
    try:
        start = _start_of_list(path, format) if first == b"{" else 0
        if start is None:
            yield _single_object(path, format)
            return
        finder = ElementFinder(single=start > 0)
        if first == b"[" and is_bare_message(_first(path, format, 0)):
            finder.entered = b""  # the array is the only row
        chunks = _from(_text(path, format), start)
        if format.compression is None and format.encoding.startswith("utf-8"):
            yield from _ranges(finder.find(chunks, start), path, format.limits.row)
        else:
            yield from _pieces(_Held(chunks, start, format.limits.row), finder)
    except UnfinishedError as error:
        raise UserError(
            f"{path} ends before its {error} does: it was not copied or fetched completely."
        ) from None


def _text(path: Path, format: FileFormat) -> Iterator[bytes]:
    """Yields a file in UTF-8."""
    chunks = read_chunks(path, format.compression, format.limits.decoder)
    return chunks if format.encoding.startswith("utf-8") else transcode(chunks, format.encoding)


def _first_byte(path: Path, format: FileFormat) -> bytes:
    return next(filter(None, (chunk.lstrip(SPACE)[:1] for chunk in _text(path, format))), b"")


def _from(chunks: Iterable[bytes], start: int) -> Iterator[bytes]:
    """Yields what follows the first `start` bytes."""
    for chunk in chunks:
        if start < len(chunk):
            yield chunk[start:]
        start = max(0, start - len(chunk))


def _single_object(path: Path, format: FileFormat) -> RowBlock:
    """Returns the block of a file that is one object."""
    held = _Held(_text(path, format), 0, format.limits.row)
    begin, end, element = next(held.elements(ElementFinder(entered=b"")))
    if end - begin > held.largest:
        return Oversized(1, end - begin, held.largest)
    return SingleObject(element)


def _first(path: Path, format: FileFormat, start: int) -> Any:
    """Returns the first element of the array that begins at `start`; None if it is broken."""
    held = _Held(_from(_text(path, format), start), start, format.limits.row)
    try:
        _, _, element = next(held.elements(ElementFinder()))
        return None if is_dense(element) else orjson.loads(element)
    except (StopIteration, UnfinishedError, ValueError):
        return None


def _is_conversation(name: str, first: Any) -> bool:
    """Returns whether a list of objects with this name and first element is a conversation, and not
    the rows of a table.
    """
    if not find_roles([name])[MESSAGES] or not isinstance(first, dict):
        return is_bare_message(first)
    return is_conversation([first]) or not describe(first).reads


def _start_of_list(path: Path, format: FileFormat) -> int | None:
    """Returns where the one list of objects in an object begins; 0 if objects are the rows, None if
    there is just one.

    Raises:
        UserError: the object has several lists of objects.
    """
    finder = ElementFinder(entered=b"[{")
    held = _Held(_text(path, format), 0, HEAD_BYTES)
    lists: dict[str, int] = {}
    key = ""
    for begin, _, head in held.elements(finder):
        if finder.tops > 1:
            return 0
        if head.startswith(b'"'):
            key = head[1:-1].decode("utf-8", "replace")
        elif head.startswith(b"[") and head[1:].lstrip(SPACE).startswith(b"{"):
            lists[key] = begin
    if finder.tops > 1:
        return 0
    tried = islice(lists, MOST_TRIED)  # the file is read for each
    if any(_is_conversation(name, _first(path, format, lists[name])) for name in tried):
        return None
    if len(lists) > 1:
        raise UserError(
            f"{path} has several lists of objects: {listed(lists)}. Save the one you want "
            f"as a file of its own, e.g. `jq -c '.{next(iter(lists))}[]' > rows.jsonl`."
        )
    return next(iter(lists.values()), None)


def _ranges(places: Iterable[Place], path: Path, largest: int) -> Iterator[RowBlock]:
    """Yields blocks of elements that their reader takes from the file."""
    found: array[int] = array("Q")
    first = number = 1
    for number, (begin, end) in enumerate(places, 1):
        if found and end - found[0] > min(BLOCK_BYTES, largest):
            yield ElementRange(path, first, found)
            found, first = array("Q"), number
        if end - begin > largest:
            yield Oversized(number, end - begin, largest)
            first = number + 1
        else:
            found.extend((begin, end))
    if found:
        yield ElementRange(path, first, found)


def _pieces(held: "_Held", finder: ElementFinder) -> Iterator[RowBlock]:
    """Yields blocks of elements with their bytes."""
    elements: list[bytes] = []
    first = number = 1
    size = 0
    for number, (begin, end, element) in enumerate(held.elements(finder), 1):
        too_long = end - begin > held.largest
        if elements and (too_long or size >= BLOCK_BYTES):
            yield Elements(first, elements)
            elements, size, first = [], 0, number
        if too_long:
            yield Oversized(number, end - begin, held.largest)
            first = number + 1
        else:
            elements.append(element)
            size += len(element) + ELEMENT_BYTES
    if elements:
        yield Elements(first, elements)


class _Held:
    """Chunks of a text, held while an element is in them, unless it is longer than `largest`."""

    def __init__(self, chunks: Iterator[bytes], start: int, largest: int) -> None:
        self.largest = largest
        self._chunks = chunks
        self._pieces: list[bytes] = []
        self._start = self._end = start  # of the pieces

    def elements(self, finder: ElementFinder) -> Iterator[tuple[int, int, bytes]]:
        """Yields where each element begins and ends, and its bytes; only the first ones of an
        element that is too long.
        """
        for begin, end in finder.find(self._read(finder), self._end):
            last = self._pieces[-1]
            before = self._end - len(last)
            if begin >= before:
                yield begin, end, last[begin - before : end - before]
                continue
            too_long = end - begin > self.largest
            text = b"".join(self._pieces[:2] if too_long else self._pieces)
            yield begin, end, text[begin - self._start : end - self._start]
            self._pieces, self._start = [last], before

    def _read(self, finder: ElementFinder) -> Iterator[bytes]:
        for chunk in self._chunks:
            if finder.begin is None:
                self._pieces, self._start = [], self._end
            elif self._end - finder.begin > self.largest:
                del self._pieces[2:]
            self._pieces.append(chunk)
            self._end += len(chunk)
            yield chunk
