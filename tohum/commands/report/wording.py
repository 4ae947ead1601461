"""The words of the page in its two languages, and numbers as each of them writes them.

A text is on the page in both languages, and the style sheet shows one: the page needs no script to
be read, and a switch needs no network.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

LANGUAGES = ("en", "tr")
UNITS = {"en": ("bytes", "kB", "MB", "GB", "TB"), "tr": ("bayt", "kB", "MB", "GB", "TB")}
CODE = re.compile("`([^`]+)`")
POINTS = str.maketrans(",.", ".,")  # Turkish writes 1.234,5


@dataclass
class Number:
    """A number, which a language writes in its own way: with `digits` after its point, as a `share`
    (a percentage), or as a `size` in bytes.
    """

    value: float
    digits: int = 0
    kind: str = "plain"

    def shown(self, language: str) -> str:
        """Returns the number in a language."""
        if self.kind == "size":
            return self._size(language)
        value = self.value * 100 if self.kind == "share" else self.value
        text = _points(f"{value:,.{self.digits}f}", language)
        if self.kind != "share":
            return text
        return f"%{text}" if language == "tr" else f"{text}%"

    def _size(self, language: str) -> str:
        value, power = self.value, 0
        while value >= 1000 and power < len(UNITS[language]) - 1:
            value, power = value / 1000, power + 1
        text = f"{value:.1f}" if power else f"{value:.0f}"
        return f"{_points(text, language)} {UNITS[language][power]}"

    def __html__(self) -> str:
        return both({language: self.shown(language) for language in LANGUAGES})


def share(value: float, digits: int = 0) -> Number:
    """Returns a share from 0 to 1 as a percentage."""
    return Number(value, digits, "share")


def size(value: float) -> Number:
    """Returns a number of bytes."""
    return Number(value, kind="size")


def said(name: str, language: str, **values: Any) -> str:
    """Returns a text in a language; a name that is no text's is a word of the data, as it is."""
    texts = page_texts().get(name)
    if texts is None:
        return name
    shown = {
        key: value.shown(language) if isinstance(value, Number) else value
        for key, value in values.items()
    }
    return texts[language].format(**shown) if shown else texts[language]


def say(name: str, **values: Any) -> Markup:
    """Returns a text in all languages, of which the page shows one; `code` in it as such.

    Raises:
        KeyError: there is no such text.
    """
    page_texts()[name]
    texts = both({language: said(name, language, **values) for language in LANGUAGES})
    return Markup(CODE.sub(r"<code>\1</code>", str(texts)))


def word(name: str) -> Markup:
    """Returns a word of the data in all languages where the page knows it, otherwise as it is."""
    return both({language: said(name, language) for language in LANGUAGES})


def both(texts: dict[str, str]) -> Markup:
    """Returns a text in all languages as HTML; once if it is the same in all."""
    if len(set(texts.values())) == 1:
        return Markup("{}").format(texts[LANGUAGES[0]])
    parts = (Markup('<span lang="{}">{}</span>').format(*item) for item in texts.items())
    return Markup("").join(parts)


@cache
def page_texts() -> dict[str, dict[str, str]]:
    """Returns the texts in page/texts.json, each by language."""
    path = Path(__file__).parent / "page" / "texts.json"
    texts: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return texts


def _points(text: str, language: str) -> str:
    return text.translate(POINTS) if language == "tr" else text
