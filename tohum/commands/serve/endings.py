"""Where a text ends before the model ends it: at a stop string, or with the user's block."""

import time
from collections.abc import Sequence


class StopStrings:
    """Ends a text before the first of some strings; `found` is the one."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._longest = max(map(len, strings))
        self._searched = 0
        self.found: str | None = None

    def check(self, text: str) -> tuple[int, bool]:
        """As `tohum.inference.Ending`."""
        begin = max(0, self._searched - self._longest + 1)
        places = [(text.find(string, begin), string) for string in self._strings]
        there = [place for place in places if place[0] >= 0]
        if there:
            place, self.found = min(there)
            return place, True
        self._searched = len(text)
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            if any(string.startswith(text[-size:]) for string in self._strings):
                return len(text) - size, False
        return len(text), False


class BlockEnd:
    """Ends what goes between two texts where it leaves the block of the cursor.

    That is before a line with less indentation, and before a line that is the first of the text
    behind.

    Args:
        indent: the spaces and tabs that each line but the first has at least.
        suffix: the text behind.
    """

    def __init__(self, indent: int, suffix: str) -> None:
        self._indent = indent
        self._begin = 0  # of the first line that has not been checked
        self._next = next((line.rstrip() for line in suffix.splitlines() if line.strip()), "")
        rest_of_line = suffix.partition("\n")[0]
        if rest_of_line.strip():  # the cursor is within a line: what follows it is no line
            self._next = next(
                (line.rstrip() for line in suffix.splitlines()[1:] if line.strip()), ""
            )

    def check(self, text: str) -> tuple[int, bool]:
        """As `tohum.inference.Ending`."""
        while (end := text.find("\n", self._begin)) >= 0:  # several, where an id has several lines
            if self._begin and self._ends(text[self._begin : end], whole=True):
                return self._begin - 1, True
            self._begin = end + 1
        start = self._begin
        if not start:
            return len(text), False
        line = text[start:]
        if self._ends(line, whole=False):
            return start - 1, True
        undecided = not line.strip() or (self._next and self._next.startswith(line.rstrip()))
        return (start - 1 if undecided else len(text)), False

    def _ends(self, line: str, whole: bool) -> bool:
        text = line.strip()
        if not text:
            return False
        if len(line) - len(line.lstrip(" \t")) < self._indent:
            return True
        return whole and bool(self._next) and line.rstrip() == self._next


class TimeLimit:
    """Ends a text after its first line once so many seconds have passed since it began."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began: float | None = None

    def check(self, text: str) -> tuple[int, bool]:
        """As `tohum.inference.Ending`."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        return len(text), "\n" in text and now - self._began > self._seconds
