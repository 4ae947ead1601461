"""Plain text for a terminal: aligned columns, and values cut to its width."""

import unicodedata
from collections.abc import Iterable, Sequence

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_of(count: float) -> str:
    """Returns a number of bytes as people say it: 1.2 MB."""
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.1f} {UNITS[power]}" if power else f"{count:.0f} bytes"


def cut(text: str, width: int) -> str:
    """Returns a text on one line, cut to `width` columns of the terminal; what is no letter on
    screen, an escape sequence for example, is shown as its code.
    """
    shown: list[str] = []
    used = 0
    for letter in text[: 4 * width]:
        piece = letter if letter.isprintable() else repr(letter)[1:-1]
        columns = sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in piece)
        if used + columns > width - 1:
            return "".join(shown) + "…"
        shown.append(piece)
        used += columns
    return "".join(shown)


def aligned(rows: Iterable[Sequence[str]], width: int, numbers: Sequence[int] = ()) -> list[str]:
    """Returns the rows as lines, each column as wide as its longest cell; those in `numbers` to the
    right.
    """
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.rjust(size) if place in numbers else cell.ljust(size)
            for place, (cell, size) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(cut("  " + "  ".join(cells).rstrip(), width))
    return lines


def titled(title: str, lines: Iterable[str]) -> list[str]:
    """Returns the lines of a section, under its title and after an empty line; none without any."""
    lines = list(lines)
    return ["", title, *lines] if lines else []
