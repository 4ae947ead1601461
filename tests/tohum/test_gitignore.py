"""Patterns against git itself."""

import os
import pickle
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tohum.sources.test_local import PATTERNS, TREE
from tohum import gitignore
from tohum.gitignore import Patterns


def git_ignores(root: Path, lines: list[str], paths: list[str]) -> set[str]:
    """The reference: what git says of paths that need not be there."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "-q", root], check=True, env=environment)
    (root / ".gitignore").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    command = ["git", "-C", str(root), "check-ignore", "--no-index", "-z", "--stdin"]
    written = "\0".join(paths).encode()
    done = subprocess.run(command, input=written, capture_output=True, check=False, env=environment)
    assert done.returncode in (0, 1), done.stderr
    return set(done.stdout.decode().split("\0")) - {""}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("repository")


@settings(max_examples=60, deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=4))
def test_the_paths_covered_are_those_that_git_ignores(root: Path, lines: list[str]) -> None:
    patterns = Patterns([line.removesuffix("\r") for line in lines])  # of a line end
    covered = {path for path in TREE if patterns.cover(path)}
    assert covered == git_ignores(root, lines, list(TREE))


@pytest.mark.parametrize(
    ("lines", "covered"),
    [
        (["*.key", "!src/"], {"a.key", "src/a.key", "src/deep/a.key"}),
        (["src/**", "!src/a.key"], {"src/b.py", "src/deep/a.key"}),
        (["src/", "!src/a.key"], {"src/a.key", "src/b.py", "src/deep/a.key"}),
        (["/deep/"], set()),
    ],
)
def test_what_is_taken_back_is_as_in_git(root: Path, lines: list[str], covered: set[str]) -> None:
    paths = ["a.key", "src/a.key", "src/b.py", "src/deep/a.key"]
    patterns = Patterns(lines)
    assert {path for path in paths if patterns.cover(path)} == covered
    assert git_ignores(root, lines, paths) == covered


def test_a_slash_at_the_start_does_not_count_and_nothing_covers_an_empty_path() -> None:
    assert Patterns(["/src/*.py"]).cover("/src/a.py")
    assert not Patterns(["*"]).cover("")
    assert not Patterns(["*"]).cover("/")


def test_very_many_and_very_deep_folders_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitignore, "MOST_FOLDERS", 3)
    patterns = Patterns(["vendor/"])
    for number in range(10):
        assert patterns.cover(f"{number}/vendor/a.py")
        assert not patterns.cover(f"{number}/vendors/a.py")
    assert not patterns.cover("a/" * 2000 + "b.py")


def test_a_worker_process_gets_the_same_patterns() -> None:
    sent = pickle.loads(pickle.dumps(Patterns(["*.py"])))
    assert sent.cover("src/a.py") and not sent.cover("a.c")
