"""Parses a table's lines with Python's CSV parser, strictly, and resumes after a broken row.

In strict mode, a quote that ends in the middle of a field breaks its row; the lenient parser would
read it and the rows after it as one field.
"""

import csv
import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from tohum.readers.rows import LEAST_ROW_BYTES, too_long
from tohum.readers.table_feed import SKIPPED, Feed, Lines

CUT_OFF = "unexpected end of data"  # the parser's words for quotes that are open at the end
TOO_LONG = "field larger than field limit"  # and for a field longer than a row may be
NO_DELIMITER = "\x1f"  # of a file with a single column, whose commas are text
Outcome = tuple[int, list[str] | str, int]  # line, cells or why there are none, characters


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
