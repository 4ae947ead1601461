"""What the documents say is true: every module is on the map, every figure is the committed one."""

import re
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.documents import MAP, written

LINES_OF_README = 200
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
