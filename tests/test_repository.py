"""The wiring: facts that stand in more than one file agree."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PROJECT, Clone
from tohum.readers import compression, detection, workbooks

PRESETS = sorted((PROJECT / "conf").rglob("*.yaml"))


def stages() -> dict[str, Any]:
    loaded = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    assert isinstance(loaded, dict)
    return loaded


def outputs(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The outputs of a stage, of every kind, with their options."""
    listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return {
        path: options
        for out in listed
        for path, options in (out.items() if isinstance(out, dict) else [(out, {})])
    }


def test_every_output_has_one_stage() -> None:
    paths = [path for stage in stages().values() for path in outputs(stage)]
    assert len(paths) == len(set(paths))


def test_every_cached_output_is_ignored_by_the_committed_gitignore() -> None:
    for stage in stages().values():
        for path, options in outputs(stage).items():
            ignored = subprocess.run(
                ["git", "check-ignore", "--quiet", "--no-index", path], cwd=PROJECT, check=False
            )
            assert (ignored.returncode == 0) == options.get("cache", True), path


def test_every_dependency_is_an_output_or_a_file_of_the_project() -> None:
    made = {path for stage in stages().values() for path in outputs(stage)}
    for stage in stages().values():
        for path in stage.get("deps", []):
            assert path in made or (PROJECT / path).exists(), path


def test_every_stage_is_its_own_module() -> None:
    for name, stage in stages().items():
        assert stage["cmd"] == f"python -m stages.{name}"
        assert (PROJECT / "stages" / name / "__main__.py").is_file()


def test_the_pins_of_the_default_source_are_those_of_the_environment() -> None:
    constraints = (PROJECT / "constraints.txt").read_text().splitlines()
    for preset in ("packages", "tiny"):
        pins = yaml.safe_load((PROJECT / f"conf/source/{preset}.yaml").read_text())["packages"]
        assert set(pins) <= set(constraints)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_every_preset_says_what_it_is_and_every_key_what_it_means(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    if any(line.startswith("defaults:") for line in lines):
        return  # the preset that it builds on explains the keys
    for before, line in pairwise(lines):
        if re.match(r"\w+:", line) and path.name not in ("gpt4.yaml", "gpt2.yaml"):
            assert "#" in line or before.startswith("#"), f"{path}: {line}"


def test_the_page_of_plots_needs_no_internet() -> None:
    assert "http" not in (PROJECT / ".dvc/plots/page.html").read_text()


@pytest.mark.parametrize("autocrlf", ["true", "input", "false"])
def test_every_clone_has_the_same_bytes_whatever_its_line_ends(
    tmp_path: Path, clone: Clone, autocrlf: str
) -> None:
    """Git for Windows sets core.autocrlf; and a table that was added with CRLF keeps it."""
    for name in ("questions.csv", "conf/asked.txt", "rows.jsonl.gz", "rows.jsonl"):
        (clone.root / name).write_bytes(b"one,two\r\n1,2\r\n")
    (clone.root / "notes.py").write_bytes(b"x = 1\r\n")
    clone.run("git", "-c", f"core.autocrlf={autocrlf}", "add", "--all")
    clone.run("git", "commit", "--quiet", "--message", "Data")
    other = tmp_path / "other"
    clone.run("git", "clone", "--quiet", "--config", f"core.autocrlf={autocrlf}", ".", str(other))
    names = clone.run("git", "ls-files", "-z").stdout.split("\0")[:-1]
    differ = [
        name for name in names if (clone.root / name).read_bytes() != (other / name).read_bytes()
    ]
    assert differ == ["notes.py"], "code is normalised"
    assert (other / "notes.py").read_bytes() == b"x = 1\n"


def test_git_changes_no_byte_of_a_data_file() -> None:
    suffixes = [*detection.FORMATS, *compression.SUFFIXES, *workbooks.SUFFIXES, ".npz"]
    names = [f"questions{suffix}" for suffix in suffixes]
    told = subprocess.run(
        ["git", "check-attr", "text", *names],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == [f"{name}: text: unset" for name in names]


def test_no_text_in_git_ends_its_lines_in_crlf() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--eol"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert not re.findall(r"^i/(?:crlf|mixed).*", listed.stdout, re.M)
