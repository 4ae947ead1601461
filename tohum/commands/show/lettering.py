"""Tokens as letters that can be seen: spaces, line feeds, and parts of a letter's bytes.

A letter outside of ASCII has several bytes (`ı` is C4 B1), and a token may end within one.
"""

import sys
import unicodedata
from collections.abc import Iterable, Sequence

from tohum.commands.printing import visible
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.translation import translated

SEEN = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}
# where the terminal's code page lacks them
SUBSTITUTES = {"␣": "_", "⏎": "\\n", "⇥": "\\t", "␍": "\\r", "·": "|", "█": "#", "→": "->"}


def seen(word: bytes) -> str:
    """Returns a token's bytes as letters, and bytes that are no whole letter in hexadecimal."""
    shown = []
    for letter in word.decode(errors="surrogateescape"):
        code = ord(letter)
        if 0xDC80 <= code <= 0xDCFF:  # a byte that is no letter, as surrogateescape marks it
            shown.append(f"<{code - 0xDC00:02X}>")
        else:
            shown.append(SEEN.get(letter) or visible(letter))
    return "".join(shown)


def seen_token(id: int, vocabulary: Sequence[bytes]) -> str:
    """Returns a token as letters: a special one by its name."""
    return SPECIAL_TOKENS[id] if id < len(SPECIAL_TOKENS) else seen(vocabulary[id])


def columns(text: str) -> int:
    """Returns how many columns of a terminal, or of a monospaced font, a text takes."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def padded(text: str, width: int) -> str:
    """Returns a text with spaces up to a width in columns."""
    return text + " " * (width - columns(text))


def wrapped(pieces: Iterable[str], width: int, between: str = "·") -> list[str]:
    """Returns pieces, with a sign between two of them, as lines of at most `width` columns; a
    longer piece has a line of its own.
    """
    lines: list[str] = []
    for piece in pieces:
        if lines and columns(lines[-1]) + columns(between) + columns(piece) <= width:
            lines[-1] += between + piece
        else:
            lines.append(piece)
    return lines


def bar(share: float, width: int) -> str:
    """Returns a bar of at most `width` columns for a share from 0 to 1."""
    return "█" * max(1 if share > 0.005 else 0, round(share * width))


def say(lines: Iterable[str]) -> None:
    """Prints lines in the user's language, with substitutes for signs that the terminal's code page
    lacks.
    """
    for line in map(translated, lines):
        try:
            line.encode(sys.stdout.encoding or "utf-8")
        except UnicodeEncodeError:
            for sign, substitute in SUBSTITUTES.items():
                line = line.replace(sign, substitute)  # noqa: PLW2901
        print(line)
