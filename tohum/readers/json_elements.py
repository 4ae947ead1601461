"""Finds the elements of JSON in chunks of bytes, without parsing it or holding it.

Only brackets and strings are looked at, each byte once or twice: time is linear whatever the text,
and a string that never ends is read to the end of the file once.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Until a bracket, or a string that does not end in this chunk.
INSIDE = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)  # to its end, or the chunk's
OPENINGS = re.compile(rb"[\[{]++")
BETWEEN = re.compile(rb"(?:[\s,:]++|\xef\xbb\xbf)*+")  # glued files have marks in the middle
SCALAR = re.compile(rb'[^\s,"\[\]{}]++')
TOP_SCALAR = re.compile(rb'[^\s,"\[{]++')  # with closing brackets, which close nothing there
QUOTE, BACKSLASH = b'"\\'
OPENING, CLOSING = b"[{", b"]}"


class UnfinishedError(Exception):
    """The text ends inside an array or an object; the argument says in which."""


@dataclass
class ElementFinder:
    """Finds the elements of the arrays at the top of a text. Whatever else is at the top, such as
    an object, is an element too.

    Attributes:
        entered: the brackets at the top whose contents are the elements.
        single: whether to stop where the first of them ends.
        begin: the place of the current element; None between two.
        tops: how many values were at the top so far.
    """

    entered: bytes = b"["
    single: bool = False
    begin: int | None = None
    tops: int = 0
    _depth: int = 0
    _top: int = 0  # the bracket at the top
    _outside: bool = True  # of all elements, or in one that is not in brackets
    _in_string: bool = False
    _escaped: bool = False  # the next chunk begins with an escaped byte

    def find(self, chunks: Iterable[bytes], base: int = 0) -> Iterator[tuple[int, int]]:
        """Yields where each element begins and ends, as soon as its end was read.

        Args:
            base: the place of the first chunk.

        Raises:
            UnfinishedError: an array, an object or a string is open at the end.
        """
        for chunk in chunks:
            place = int(self._escaped)
            self._escaped = False
            while place < len(chunk):
                begin = self.begin
                if self._in_string:
                    place = self._string(chunk, place)
                elif self._outside:
                    place = self._next(chunk, place, base)
                else:
                    place = self._inside(chunk, place)
                if begin is not None and self.begin is None:
                    yield begin, base + place
                if self.single and self.tops and not self._depth:
                    return
            base += len(chunk)
        if self._depth or self._in_string:
            raise UnfinishedError("array" if self._top == ord("[") else "object")
        if self.begin is not None:
            yield self.begin, base

    def _string(self, chunk: bytes, place: int) -> int:
        """Returns where a string ends in the chunk, or the end of the chunk."""
        end = chunk.find(b'"', place)
        if chunk.find(b"\\", place, end if end >= 0 else len(chunk)) >= 0:
            found = STRING.match(chunk, place)
            assert found
            end = found.end()
        if end < 0 or end == len(chunk):
            return len(chunk)
        place = end
        if chunk[place] == BACKSLASH:  # the last byte of the chunk
            self._escaped = True
        else:
            self._in_string = False
            if self._outside:
                self.begin = None
        return place + 1

    def _inside(self, chunk: bytes, place: int) -> int:
        """Returns the place after the next bracket in an element, or where a string goes on."""
        found = INSIDE.match(chunk, place)
        assert found
        place = found.end()
        if place == len(chunk):
            return place
        if chunk[place] == QUOTE:
            self._in_string = True
            return place + 1
        if run := OPENINGS.match(chunk, place):
            self._depth += len(run[0])
            return run.end()
        self._depth -= 1
        self._outside = self._depth == 0 or (self._depth == 1 and self._top in self.entered)
        if self._outside:
            self.begin = None
        return place + 1

    def _next(self, chunk: bytes, place: int, base: int) -> int:
        """Returns the place after what begins the next element, or ends an array; in a number or a
        word, after it.
        """
        if self.begin is not None:
            scalar = (SCALAR if self._depth else TOP_SCALAR).match(chunk, place)
            place = scalar.end() if scalar else place
            if place < len(chunk):
                self.begin = None
            return place
        found = BETWEEN.match(chunk, place)
        assert found
        place = found.end()
        if place == len(chunk):
            return place
        kind = chunk[place]
        if kind in CLOSING and self._depth:
            self._depth = 0
            return place + 1
        self.tops += not self._depth
        if kind in self.entered and not self._depth:
            self._depth, self._top = 1, kind
            return place + 1
        self.begin = base + place
        if kind == QUOTE:
            self._in_string = True
        elif kind in OPENING:
            self._top = self._top if self._depth else kind
            self._depth += 1
            self._outside = False
        else:
            return place
        return place + 1
