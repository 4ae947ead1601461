"""What `make` would do, without doing it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def make(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments], cwd=root, capture_output=True, text=True, check=False
    )


def test_a_renamed_folder_gets_a_new_environment(root: Path) -> None:
    (root / ".venv" / "installed").write_text("/home/me/before\n")
    assert "-m venv --clear .venv" in make(root, "-n", "install").stdout


@pytest.mark.parametrize("written", ["{root}\n", ""])
def test_an_environment_of_this_folder_is_kept(root: Path, written: str) -> None:
    (root / ".venv" / "installed").write_text(written.format(root=root))
    assert "venv" not in make(root, "-n", "install").stdout


def test_a_zip_download_is_told_that_dvc_needs_git(root: Path) -> None:
    (root / ".venv" / "installed").write_text(f"{root}\n")
    done = make(root, "repro")
    assert done.returncode != 0
    assert "a ZIP download has none. Use 'git clone', or" in done.stdout
