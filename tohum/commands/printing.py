"""Plain text for a terminal: aligned columns, and values cut to its width."""

import unicodedata
from collections.abc import Iterable, Sequence

from tohum.translation import translated, translated_label

UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size_of(count: float) -> str:
    """Returns a number of bytes in readable form: 1.2 MB."""
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.1f} {UNITS[power]}" if power else f"{count:.0f} bytes"


def counted(count: int, noun: str) -> str:
    """Returns a number with its noun: 1 data file, 2 data files."""
    return f"{count:,} {noun}" + ("s" if count != 1 else "")


def tell(text: str) -> None:
    """Prints messages in the user's language."""
    print(translated(text))


def tell_visibly(text: str) -> None:
    """Prints messages in the user's language, and what is unprintable in them as codes."""
    print(visible(translated(text)))


def visible(text: str) -> str:
    """Returns a text with unprintable characters, such as escapes, shown as their codes."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def cut(text: str, width: int) -> str:
    """Returns a text on one line, cut to `width` columns of the terminal."""
    shown: list[str] = []
    used = 0
    for letter in visible(text[: 4 * width]):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > width - 1:
            return "".join(shown) + "…"
        shown.append(letter)
    return "".join(shown)


def aligned(rows: Iterable[Sequence[str]], width: int, numbers: Sequence[int] = ()) -> list[str]:
    """Returns the rows as lines, each column as wide as its longest cell; those in `numbers` are
    right-aligned.
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
    """Returns the lines of a section, under its title and after an empty line; nothing for no
    lines.
    """
    lines = list(lines)
    return ["", translated_label(title), *lines] if lines else []
