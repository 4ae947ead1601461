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
from tohum.gitignore import IgnoreFile, Patterns


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


INTRICATE = [
    "*a" * 60 + "*b",
    "**/a" * 60 + "/b",
    "*a*/" * 60 + "b",
    "**/*a*a*/" * 20 + "b",
    "?*" * 60,
    "[!b]*" * 60 + "b",
    "*" * 100_000 + "b",
    "*a" * 100_000,
    "[" * 100_000,
]


@pytest.mark.parametrize("pattern", INTRICATE)
@pytest.mark.parametrize("path", ["a" * 250, "a/" * 1500 + "a", ("a" * 30 + "/") * 60 + "a"])
def test_no_pattern_is_tried_in_more_ways_than_the_path_is_long(pattern: str, path: str) -> None:
    assert not IgnoreFile([pattern + "/c"]).verdict(path, False)


def test_very_many_lines_are_looked_up_not_tried_one_by_one() -> None:
    numbers = range(20_000)
    lines = [line for number in numbers for line in (f"name{number}", "*.log", f"*.x{number}")]
    rules = IgnoreFile([*lines, *(f"/build/*/part{number}/" for number in numbers)])
    for path in ("name7", "a.log", "a.x19999", "a/b/name19999"):
        assert rules.verdict(path, False)
    assert rules.verdict("build/a/part24", True)
    assert rules.verdict("name20000", False) is None
    tried = [pattern for found in rules._by_key.values() for pattern in found if pattern.regex]
    assert len(tried) < 100


@pytest.mark.parametrize("lines", [["a", "!a", "a"], ["a", "!a", "a  "], ["a*", "!a*", "a*"]])
def test_the_last_of_equal_lines_decides(root: Path, lines: list[str]) -> None:
    assert git_ignores(root, lines, ["ab", "a"]) == {
        path for path in ("ab", "a") if Patterns(lines).cover(path)
    }


@pytest.mark.parametrize(
    "line",
    [
        "a\\\\ ",
        "a\\ ",
        "a\\  ",
        "a ",
        "[[:alpha:]",
        "[[:x:]]",
        "a[b",
        "a\\",
        "[a-]",
        "**a",
        "[a]**/b",
        "\\#",
    ],
)
def test_spaces_escapes_and_brackets_are_read_as_in_git(root: Path, line: str) -> None:
    paths = ["a", "a ", "a\\", "a\\ ", "a[b", "[", "-", "ba", "ab/b", "ax/y/b", "#"]
    covered = {path for path in paths if Patterns([line]).cover(path)}
    assert covered == git_ignores(root, [line], paths)


def test_the_lines_that_match_are_told_apart() -> None:
    patterns = Patterns(["src/", "*.py", "!a.py", "none"])
    assert patterns.matching("src/deep/a.py") == {0, 1, 2}
    assert patterns.matching("a.c") == patterns.matching("") == set()
