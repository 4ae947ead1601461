from pathlib import Path

import pytest

from tests.tohum.commands.report.runs import LOCK, git, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A git repository with a committed run."""
    git(tmp_path, "init", "--quiet")
    write(tmp_path, LOCK)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "A run")
    return tmp_path
