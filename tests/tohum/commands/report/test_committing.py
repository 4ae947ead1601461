from pathlib import Path

import pytest

from tests.tohum.commands.report.runs import LOCK, THERE, git, with_other, write
from tohum.commands.report.committing import proposal
from tohum.errors import UserError


def test_the_committed_run_needs_no_commit(root: Path) -> None:
    assert proposal(root) == ""


def test_another_model_is_to_be_committed(root: Path) -> None:
    write(root, with_other("train", "outs"), THERE)
    assert "  git commit dvc.lock " in proposal(root)
    assert "CRLF" not in proposal(root)


def test_a_file_with_other_line_ends_than_in_git_is_named(root: Path) -> None:
    (root / ".gitattributes").write_text("* text=auto eol=lf\n*.csv -text\n")
    (root / "conf").mkdir()
    for name in ("conf/kod ö.py", "conf/a.py", "conf/data.csv", "dvc.yaml"):
        (root / name).write_bytes(b"x = 1\r\n")
    git(root, "add", "--all")
    assert proposal(root) == "", "nothing to commit that they would not fit"
    write(root, with_other("train", "outs"), THERE)
    assert "But conf/a.py, conf/kod ö.py end their lines in CRLF" in proposal(root)


def test_without_a_committed_run_the_report_says_so_already(tmp_path: Path) -> None:
    write(tmp_path, LOCK)
    assert proposal(tmp_path) == ""


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\nschema: '2.0'\n", "stages: {train: 3}\n"])
def test_a_file_that_can_not_be_read_is_told_with_what_to_do(root: Path, text: str) -> None:
    (root / "dvc.lock").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.lock can't be read\. After a conflict"):
        proposal(root)
