"""What the documents say is true: every module is on the map, every figure is the committed one."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.documents import MAP, written

LINES_OF_README = 200
MEASURED = json.loads((PROJECT / "metrics/evaluate.json").read_text("utf-8"))
FIGURES = {  # as the documents write them
    name: f"{value:.3f}"
    for name, value in {**MEASURED["baselines"], "model": MEASURED["bits_per_byte"]}.items()
}
SHOWN = {FIGURES[name] for name in ("model", "gzip -9", "xz -9e")}  # the others may be
DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def test_the_map_names_every_module_as_it_describes_itself() -> None:
    assert MAP.read_text("utf-8") == written(), "run `python -m tests.documents`"


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text("utf-8").splitlines()) <= LINES_OF_README


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["README.md", "docs/rehber.md"])
def test_bits_per_byte_are_those_of_the_committed_metrics(name: str) -> None:
    text = (PROJECT / name).read_text("utf-8")
    found = {
        figure.replace(",", ".")
        for figure in re.findall(r"(?<![\d.,])\d[.,]\d{3}(?![\d.,]\d)", text)
    }
    assert found >= SHOWN
    assert found <= set(FIGURES.values())


def test_the_log_of_training_begins_with_the_committed_figures() -> None:
    text = (PROJECT / "docs/training.md").read_text("utf-8")
    before, default = text.partition("## The default")[::2]
    assert FIGURES["gzip -9"] in before
    assert FIGURES["xz -9e"] in before
    assert f"**{FIGURES['model']}**" in default.partition("##")[0]
