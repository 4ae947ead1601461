"""Temporary projects for a benchmark, whose stages run as DVC runs them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from stages.compose.composition import compose, write_lock_file

PROJECT = Path(__file__).parent.parent
UNTIL_ENCODE = ("download", "jsonl", "pretokens", "tokenizer", "encode")


def encoded_project(root: Path) -> Path:
    """Makes a project from the default source, the installed packages, up to its token files; takes
    about two minutes on two cores.
    """
    print("making corpus, tokenizer and token files from the installed packages ...", flush=True)
    started = time.monotonic()
    write_values(root, ["source=packages"])
    for stage in UNTIL_ENCODE:
        run_stage(root, stage)
    print(f"... done in {time.monotonic() - started:.0f} s", flush=True)
    return root


def write_values(root: Path, overrides: list[str]) -> None:
    """Writes the values of a project, and conf/ and dvc.yaml if they do not exist yet."""
    if not (root / "conf").is_dir():
        shutil.copytree(PROJECT / "conf", root / "conf")
        shutil.copy(PROJECT / "dvc.yaml", root / "dvc.yaml")
    write_lock_file(root / "params.lock.yaml", compose(root / "conf", overrides))


def write_runtime(root: Path, **values: Any) -> None:
    """Changes values of a project's conf/runtime.yaml."""
    path = root / "conf/runtime.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.unlink()  # a copy of the project's own, with its comments
    path.write_text(yaml.safe_dump({**found, **values}), encoding="utf-8")


def link(root: Path, made: Path, folder: str) -> None:
    """Links one project's output into another."""
    (root / folder).parent.mkdir(parents=True, exist_ok=True)
    (root / folder).symlink_to((made / folder).resolve(), target_is_directory=True)


def run_stage(root: Path, stage: str) -> None:
    """Runs a stage to its end; a failure ends the benchmark and shows what the stage printed."""
    process = start_stage(root, stage, subprocess.PIPE)
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"the stage {stage} failed:\n{errors.decode()}")


def start_stage(root: Path, stage: str, stderr: int) -> "subprocess.Popen[bytes]":
    """Starts a stage in its own process in a project."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-m", f"stages.{stage}"]
    return subprocess.Popen(command, cwd=root, env=environment, stderr=stderr)
