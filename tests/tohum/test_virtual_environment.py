import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tohum import virtual_environment
from tohum.virtual_environment import missing


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code alone, as a clone without its environment has it."""
    root = tmp_path_factory.mktemp("clone")
    for name in ("stages", "tohum"):
        shutil.copytree(PROJECT / name, root / name)
    return root


def run_bare(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs this Python without any package that was installed."""
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        cwd=root,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ["stages.compose", "stages.train", "tohum"])
def test_a_python_without_the_packages_is_told_how_to_get_them(clone: Path, module: str) -> None:
    failed = run_bare(clone, "-m", module)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    (line,) = failed.stderr.splitlines()
    assert sys.executable in line
    assert "does not have the packages of this project" in line
    assert "`make install`" in line


def test_an_environment_that_is_there_is_to_be_activated(tmp_path: Path, clone: Path) -> None:
    root = shutil.copytree(clone, tmp_path / "with", dirs_exist_ok=True)
    activate = root / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
    activate.mkdir(parents=True)
    failed = run_bare(root, "-m", "stages.train")
    assert f"Activate the project's environment: source {activate / 'activate'}" in failed.stderr


def test_an_old_python_is_told_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(virtual_environment, "OLDEST", (3, 99))
    assert f"is Python {sys.version.split()[0]}, and" in missing(tmp_path)


def test_the_environment_of_the_project_lacks_nothing() -> None:
    assert missing(PROJECT) == ""
