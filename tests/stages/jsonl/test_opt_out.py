from pathlib import Path
from typing import Any

import pytest

from stages.jsonl.opt_out import OptOut, read_opt_out
from tests.conftest import PROJECT
from tohum.errors import UserError

ID = "0123456789abcdef0123456789abcdef01234567"


def opt_out(folder: Path, text: str) -> OptOut:
    path = folder / "opt_out.txt"
    path.write_text(text, "utf-8")
    return read_opt_out(path)


def record(**changes: Any) -> dict[str, Any]:
    return {"id": "f" * 40, "repo": "owner/name", "path": "src/main.py", **changes}


@pytest.mark.parametrize(
    ("line", "covered"),
    [
        ("repo owner/name", True),
        ("repo Owner/Name", True),
        ("repo owner/nam", False),
        ("path src/", True),
        ("path *.py", True),
        ("path owner/name/src/*.py", True),
        ("path other/name/src/*.py", False),
        ("path /main.py", False),
        (f"id {'F' * 40}", True),
        (f"id {ID}", False),
        ("# repo owner/name", False),
        ("", False),
    ],
)
def test_a_line_covers_what_it_names(tmp_path: Path, line: str, covered: bool) -> None:
    assert opt_out(tmp_path, f"# a comment\n\n{line}\n").covers(record()) == covered


def test_a_record_without_repo_or_path_is_covered_by_its_id_only(tmp_path: Path) -> None:
    listed = opt_out(tmp_path, f"repo none\nid {ID}\n")
    assert not listed.covers(record(repo=None, path=None))
    assert listed.covers(record(repo=None, path=None, id=ID))


@pytest.mark.parametrize("line", ["owner/name", "repo", "repos owner/name", "id 123", "path   "])
def test_another_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match=r"opt_out\.txt, line 2"):
        opt_out(tmp_path, f"repo a/b\n{line}\n")


def test_a_missing_list_and_the_committed_one_are_empty(tmp_path: Path) -> None:
    assert read_opt_out(tmp_path / "none.txt").empty
    assert read_opt_out(PROJECT / "conf" / "opt_out.txt").empty
