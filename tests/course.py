"""The chapters of the course, in two languages, as lists of what they ask the reader to do.

The pictures in docs/pictures are drawn by the commands of the chapters, in English. `python -m
tests.course` writes those in docs/pictures/tr, which are the same with Turkish words.
"""

import re
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from tests.catalogue import turkish
from tests.conftest import PROJECT

COURSES = {"tr": PROJECT / "docs" / "kurs", "en": PROJECT / "docs" / "course"}
PICTURES = PROJECT / "docs" / "pictures"
TURKISH_PICTURES = PICTURES / "tr"
PARAMS = "# params.yaml\n"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.M | re.S)
WORDS = re.compile(r'(<title>|<text class="(?!mono)[^>]*>)([^<]+)(</(?:title|text)>)')
IMAGE = re.compile(r"^!\[([^\]]+)\]\(([^)]+)\)\n", re.M)


@dataclass
class Command:
    """A line that the reader types."""

    line: str


@dataclass
class ParamsFile:
    """What the reader writes into params.yaml."""

    text: str


Action = Command | ParamsFile


def chapters(language: str) -> list[Path]:
    """The chapters in order."""
    return sorted(COURSES[language].glob("[0-9]*.md"))


def actions(chapter: str) -> list[Action]:
    """What a chapter's text asks the reader to do, in order."""
    found: list[Action] = []
    for match in FENCE.finditer(chapter):
        found += block_actions(*match.groups())
    return found


def block_actions(language: str, text: str) -> list[Action]:
    """What a fenced block asks the reader to do."""
    if language == "yaml" and text.startswith(PARAMS):
        return [ParamsFile(text)]
    if language == "console":
        return [Command(line[2:]) for line in text.splitlines() if line.startswith("$ ")]
    return []


def pictures(chapter: str) -> list[str]:
    """The pictures that a chapter shows."""
    return [path for _, path in IMAGE.findall(chapter)]


def turkish_picture(svg: str) -> str:
    """A picture with its words in Turkish, as `tohum show` draws it in that language."""

    def word(found: re.Match[str]) -> str:
        told = turkish().value(unescape(found[2]), "label")
        return f"{found[1]}{escape(told, quote=False)}{found[3]}"

    return WORDS.sub(word, svg)


def main() -> None:
    """Writes the Turkish pictures."""
    TURKISH_PICTURES.mkdir(exist_ok=True)
    for path in PICTURES.glob("*.svg"):
        svg = turkish_picture(path.read_text("utf-8"))
        (TURKISH_PICTURES / path.name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
