"""The course as two notebooks, docs/kurs.ipynb and docs/course.ipynb, made from its chapters.

Run `python -m tests.notebooks` to write them anew; tests/test_course.py checks that they are
current. A notebook opens in Colab: its first cells clone the project to the reader's Drive, where
a session that is lost leaves it, with unfinished work and DVC's cache, and install it.
https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.course import COURSES, FENCE, IMAGE, ParamsFile, block_actions, chapters

NOTEBOOKS = {
    language: folder.parent / f"{folder.name}.ipynb" for language, folder in COURSES.items()
}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!http)[^)]*\)")
PART = re.compile(f"(?:{FENCE.pattern})|(?:{IMAGE.pattern})", re.M | re.S)
LAST_LINE = re.compile(r"\n(?:Sıradaki bölüm|Next chapter|Kurs burada|This is the end)[^\n]*\n$")

INTRODUCTION = {
    "tr": """\
# Tohum kursu

Bu defter, kursun dokuz bölümüdür; hücreleri sırayla çalıştır. İlk iki hücre projeyi Drive'ına
kurar. Oturum kapanırsa defteri baştan çalıştır: proje, yarım kalan iş ve biten sonuçlar orada
durur, eğitim kaldığı yerden sürer. Defteri Colab yerine kendi bilgisayarında, kurulu bir klonda
açtıysan ilk iki hücreyi atla.
""",
    "en": """\
# The Tohum course

This notebook is the nine chapters of the course; run its cells in order. The first two install
the project on your Drive. If the session is lost, run the notebook from the start: the project,
unfinished work and finished results are on your Drive, and training goes on where it was. If you
opened it in an installed clone on your own machine and not in Colab, skip the first two cells.
""",
}
CLONE = """\
from pathlib import Path

from google.colab import drive

# {comment}
REPOSITORY = ""  # @param {{type: "string"}}
drive.mount("/content/drive")
PROJECT = Path("/content/drive/MyDrive/tohum")
if not PROJECT.is_dir():
    assert REPOSITORY, "{comment}"
    !git clone "$REPOSITORY" "$PROJECT"
%cd $PROJECT
!python -m pip install --quiet --constraint constraints.txt --editable .
"""
COMMENT = {"tr": "Projenin git adresini yaz", "en": "Write the git address of the project"}
# Drive knows no links, so DVC copies; a sweep commits, so git needs a name. A lost session may
# leave a dvc.lock that is cut off, and a lock of a process that was on another machine.
SETTINGS = """\
%env TOHUM_LANG={language}
!dvc config --local cache.type copy
!git config user.name || git config user.name tohum
!git config user.email || git config user.email tohum@localhost
!rm -f .dvc/tmp/rwlock && python -m tohum.dvc_lock
"""


def notebook(language: str) -> dict[str, Any]:
    """A notebook of all chapters in one language."""
    cells = [
        text_cell(INTRODUCTION[language]),
        code_cell(CLONE.format(comment=COMMENT[language])),
        code_cell(SETTINGS.format(language=language)),
    ]
    for path in chapters(language):
        cells += chapter_cells(path.read_text(encoding="utf-8"))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 4,
    }


def chapter_cells(chapter: str) -> Iterator[dict[str, Any]]:
    """A chapter as cells: what the reader does is code, and so is a picture, which is shown from
    the clone; all else is text.
    """
    chapter = LAST_LINE.sub("\n", chapter)
    text, place = "", 0
    for part in PART.finditer(chapter):
        text += chapter[place : part.start()]
        place = part.end()
        code = part_code(part)
        if code is None:
            text += part[0]
            continue
        if text.strip():
            yield text_cell(text)
        yield code_cell(code)
        text = ""
    yield text_cell(text + chapter[place:])


def part_code(part: re.Match[str]) -> str | None:
    """The code for a fenced block or a picture; None for a block that is only read."""
    language, block, _, path = part.groups()
    if path is not None:
        return f'from IPython.display import SVG\n\nSVG("docs/{path.removeprefix("../")}")\n'
    actions = block_actions(language, block)
    if not actions:
        return None
    lines = [
        f"%%writefile params.yaml\n{action.text}"
        if isinstance(action, ParamsFile)
        else f"!{action.line}\n"
        for action in actions
    ]
    return "".join(lines)


def text_cell(text: str) -> dict[str, Any]:
    """A cell of Markdown, without the links that lead to files."""
    text = LINK.sub(r"\1", text).strip()
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code_cell(code: str) -> dict[str, Any]:
    """A cell of code, not run yet."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": code.strip().splitlines(keepends=True),
    }


def written_notebook(language: str) -> str:
    """A notebook's file as it should be."""
    return json.dumps(notebook(language), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for language, path in NOTEBOOKS.items():
        path.write_text(written_notebook(language), encoding="utf-8")
