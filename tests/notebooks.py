"""The course as two notebooks, docs/kurs.ipynb and docs/course.ipynb, made from its chapters.

Run `python -m tests.notebooks` to write them anew; tests/test_course.py checks that they are
current. A notebook opens in Colab: its first cells clone the project, install it, and keep
unfinished work and DVC's cache on the reader's Drive, from where a lost session goes on.
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

Bu defter, kursun dokuz bölümüdür; hücreleri sırayla çalıştır. İlk iki hücre projeyi kurar.
Yarım kalan iş ve DVC'nin önbelleği Drive'ında durur: oturum kapanırsa defteri baştan çalıştır,
bitmiş olan yeniden hesaplanmaz. Defteri Colab yerine kendi bilgisayarında, kurulu bir klonda
açtıysan ilk iki hücreyi atla.
""",
    "en": """\
# The Tohum course

This notebook is the nine chapters of the course; run its cells in order. The first two install
the project. Unfinished work and DVC's cache are kept on your Drive: if the session is lost, run
the notebook from the start, and nothing that was finished is computed again. If you opened it in
an installed clone on your own machine and not in Colab, skip the first two cells.
""",
}
CLONE = """\
from google.colab import drive

# {comment}
REPOSITORY = ""  # @param {{type: "string"}}
assert REPOSITORY, "{comment}"
drive.mount("/content/drive")
!git clone $REPOSITORY /content/tohum
%cd /content/tohum
!python -m pip install --quiet --constraint constraints.txt --editable .
"""
COMMENT = {"tr": "Projenin git adresini yaz", "en": "Write the git address of the project"}
KEEP = """\
!mkdir -p /content/drive/MyDrive/tohum/work /content/drive/MyDrive/tohum/cache
!ln -sfn /content/drive/MyDrive/tohum/work .work
!dvc config --local cache.dir /content/drive/MyDrive/tohum/cache
"""


def notebook(language: str) -> dict[str, Any]:
    """A notebook of all chapters in one language."""
    cells = [
        text_cell(INTRODUCTION[language]),
        code_cell(CLONE.format(comment=COMMENT[language])),
        code_cell(KEEP),
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
