"""The chapters of the course, in two languages, as lists of what they ask the reader to do."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import PROJECT

COURSES = {"tr": PROJECT / "docs" / "kurs", "en": PROJECT / "docs" / "course"}
PICTURES = PROJECT / "docs" / "pictures"
PARAMS = "# params.yaml\n"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.M | re.S)
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
