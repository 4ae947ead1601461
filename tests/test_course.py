"""The course does what it says: both languages are in step, and every command of it runs."""

import json
import re
import shlex
import sys
import xml.etree.ElementTree as ET
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT, Clone, make_clone
from tests.course import (
    COURSES,
    FENCE,
    PICTURES,
    TURKISH_PICTURES,
    Action,
    Command,
    actions,
    chapters,
    pictures,
    turkish_picture,
)
from tests.notebooks import NOTEBOOKS, written_notebook

TURKISH, ENGLISH = (
    [path.read_text("utf-8") for path in chapters(language)] for language in ("tr", "en")
)
PAGES = [page for folder in COURSES.values() for page in sorted(folder.glob("*.md"))]
CHAPTERS = [page for page in PAGES if page.name != "README.md"]
CORRECTION = re.compile(r"^> \*\*(?:Sık söylenen bir yanlış|Often said, and wrong):\*\* ", re.M)
LARGEST_PICTURE = 40_000  # bytes
# on top of what a chapter asks for: a run of seconds
SECONDS = (
    "train.steps=4",
    "train.log_every=2",
    "train.evaluate_every=2",
    "train.evaluate_tokens=200",
    "train.threads=1",
    "evaluate.completion_tokens=4",
    "evaluate.parse_prompts=0",
)

MARK = "\f"
RUN_TOGETHER = f"""
import shlex, sys
from tohum.cli import main
for line in sys.argv[1:]:
    print({MARK!r}, end="", flush=True)
    if code := main(shlex.split(line)[1:]):
        sys.exit(f"{{line}} exited with {{code}}")
"""


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def test_both_languages_have_the_same_chapters_commands_and_pictures() -> None:
    assert len(TURKISH) == len(ENGLISH) == 9
    for turkish, english in zip(TURKISH, ENGLISH, strict=True):
        assert actions(turkish) == actions(english)
        assert pictures(turkish) == [
            path.replace("pictures/", "pictures/tr/") for path in pictures(english)
        ]
        assert turkish.count("\n## ") == english.count("\n## ")


@pytest.mark.parametrize("path", CHAPTERS, ids=name_of)
def test_a_chapter_has_a_picture_a_command_a_correction_and_a_folded_answer(path: Path) -> None:
    text = path.read_text("utf-8")
    assert pictures(text)
    assert any(isinstance(action, Command) for action in actions(text))
    assert text.count("<details>\n<summary>") == text.count("</summary>\n\n") == 1
    assert text.count("\n\n</details>\n") == 1
    assert (
        len(
            re.findall(r"^> \*\*(?:Sık söylenen bir yanlış|Often said, and wrong):\*\*", text, re.M)
        )
        == 1
    )


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_of_the_course_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        assert target.startswith("http") or (path.parent / target).exists(), target


@pytest.mark.parametrize("language", COURSES)
def test_the_first_page_lists_every_chapter_in_order(language: str) -> None:
    listed = re.findall(r"\]\((\d[^)]+)\)", (COURSES[language] / "README.md").read_text("utf-8"))
    assert listed == [path.name for path in chapters(language)]


def test_every_picture_is_shown_small_and_drawn_by_a_command() -> None:
    drawn = re.findall(r"^\$ .*svg=(\S+)$", "\n".join(TURKISH), re.M)
    shown = {Path(path).name for text in ENGLISH for path in pictures(text)}
    there = [*PICTURES.glob("*.svg")]
    assert sorted(drawn) == sorted(shown) == sorted(path.name for path in there)
    assert {path.name for path in TURKISH_PICTURES.iterdir()} == shown
    for path in there:
        svg = path.read_text("utf-8")
        assert path.stat().st_size < LARGEST_PICTURE
        assert ET.fromstring(svg).tag.endswith("svg")
        in_turkish = (TURKISH_PICTURES / path.name).read_text("utf-8")
        assert in_turkish == turkish_picture(svg), "run `python -m tests.course`"
        assert in_turkish != svg


def test_the_two_sentences_are_those_of_the_file() -> None:
    for text in (TURKISH[2], ENGLISH[2]):
        (table,) = [block for language, block in FENCE.findall(text) if language == "csv"]
        assert table == (PROJECT / "examples" / "merhaba.csv").read_text("utf-8")


@pytest.mark.parametrize("language", COURSES)
def test_the_notebook_is_made_from_the_chapters(language: str) -> None:
    path = NOTEBOOKS[language]
    assert path.read_text("utf-8") == written_notebook(language), "run `python -m tests.notebooks`"


def test_the_notebook_runs_the_commands_of_the_chapters_in_order() -> None:
    cells = json.loads(NOTEBOOKS["tr"].read_text("utf-8"))["cells"]
    lines = [line.rstrip() for cell in cells for line in cell["source"] if line.startswith("!")]
    commands = [
        f"!{action.line}"
        for chapter in TURKISH
        for action in actions(chapter)
        if isinstance(action, Command)
    ]
    assert lines[-len(commands) :] == commands
    files = [cell for cell in cells if cell["source"][:1] == ["%%writefile params.yaml\n"]]
    assert len(files) == sum(len(actions(chapter)) for chapter in TURKISH) - len(commands)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # five runs of the pipeline, and a sweep of three points
def test_every_command_of_the_course_runs(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    every = [action for chapter in TURKISH for action in actions(chapter)]
    said: dict[str, str] = {}
    for ours, group in groupby(every, key=is_ours):
        if ours:
            said |= run_together(clone, [line_of(action) for action in group])
            continue
        for action in group:
            if isinstance(action, Command):
                clone.run(*shlex.split(action.line))
            else:
                clone.override(*yaml.safe_load(action.text)["overrides"], *SECONDS)
    two_sentences = [said[f'tohum show tokens "{word}"'].split() for word in ("Selam", "nasılsın")]
    assert [words[0] for words in two_sentences] == ["Selam", "n·a·sı·l·sı·n"]
    assert all(text.strip() for line, text in said.items() if " show " in line)
    for name in re.findall(r"svg=(\S+)", "\n".join(said)):
        assert (clone.root / name).stat().st_size > 500


def is_ours(action: Action) -> bool:
    return isinstance(action, Command) and action.line.startswith("tohum ")


def line_of(action: Action) -> str:
    assert isinstance(action, Command)
    return action.line


def run_together(clone: Clone, lines: list[str]) -> dict[str, str]:
    """Runs lines of `tohum` in one process of the clone, since importing torch takes seconds, and
    returns what each printed.
    """
    printed = clone.run(sys.executable, "-c", RUN_TOGETHER, *lines).stdout
    parts = printed.split(MARK)[1:]
    return dict(zip(lines, parts, strict=True))
