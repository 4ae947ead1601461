"""What reproduces a run: its commit, the overrides, the hash of every output, and the commands."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tohum.commands.report.reproduction import committed_file, read_lock
from tohum.dvc_lock import parse_stages
from tohum.project import in_git

MOST_CHANGED = 6
DECIDES = ("conf", "stages", "tohum", "dvc.yaml", "params.yaml", "constraints.txt")


@dataclass
class StageOutput:
    """An output in dvc.lock; `committed` says whether HEAD has the same hash, None without one."""

    stage: str
    path: str
    md5: str
    bytes: int | None
    committed: bool | None


@dataclass
class Recipe:
    """What reproduces a run. `changed` names what decides the result and is not committed."""

    commit: str | None
    changed: list[str]
    overrides: list[str]
    outputs: list[StageOutput]
    configuration: str

    @property
    def commands(self) -> list[str]:
        """The command lines that make the outputs from a clone."""
        checkout = [f"git checkout {self.commit}"] if self.commit else []
        return ["git clone REPOSITORY tohum && cd tohum", *checkout, "make repro"]


def read_recipe(root: Path) -> Recipe:
    """Returns what reproduces the run of a project.

    Raises:
        UserError: dvc.lock is missing or damaged.
    """
    here, git = read_lock(root), in_git(root.resolve())
    before = parse_stages(committed_file(root, "dvc.lock") or b"") if git else None
    known = None if before is None else {
        item["path"]: item["md5"] for stage in before.values() for item in stage.get("outs", [])
    }  # fmt: skip
    outputs = [
        StageOutput(
            name,
            item["path"],
            item["md5"],
            item.get("size"),
            None if known is None else known.get(item["path"]) == item["md5"],
        )
        for name, stage in here.items()
        for item in stage.get("outs", [])
    ]
    lock = root / "params.lock.yaml"
    return Recipe(
        _git(root, "rev-parse", "HEAD").strip() or None if git else None,
        _changed(root) if git else [],
        _overrides(root / "params.yaml"),
        outputs,
        lock.read_text(encoding="utf-8") if lock.is_file() else "",
    )


def _changed(root: Path) -> list[str]:
    listed = _git(root, "-c", "core.quotepath=off", "status", "--porcelain", "--", *DECIDES)
    return [line[3:] for line in listed.splitlines()][:MOST_CHANGED]


def _overrides(path: Path) -> list[str]:
    values: Any = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    listed = values.get("overrides") if isinstance(values, dict) else None
    return [str(item) for item in listed] if isinstance(listed, list) else []


def _git(root: Path, *arguments: str) -> str:
    """Returns what git prints, nothing where it fails, as in a repository without a commit."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""
