"""Runs a stage in a project of its own and measures it: seconds, and the peak memory of its tree.

The stage runs as `dvc repro` runs it, in processes of its own, so what it takes to start counts.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tohum.dependencies import PROJECT
from tohum.errors import UserError

POLL_SECONDS = 0.02


@dataclass
class Measured:
    """What one run of a stage took.

    Attributes:
        seconds: from its start to its end.
        processor: seconds of all cores together.
        memory: bytes, the most that its processes held together.
        processes: the most at once.
        turned: the processor's seconds when `turn` was first true; None if it never was.
    """

    seconds: float
    processor: float
    memory: int
    processes: int
    turned: float | None = None


def sample_environment() -> dict[str, str]:
    """Returns the environment of a process in a project of its own: this project's code, whatever
    the current folder, and no parent project.
    """
    environment = {key: value for key, value in os.environ.items() if key != "DVC_ROOT"}
    paths = [str(PROJECT), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def measure_stage(
    root: Path, stage: str, turn: Callable[[], bool] = lambda: False, limit: float = 600.0
) -> Measured:
    """Runs a stage of the project at `root` to its end.

    Args:
        turn: asked until it is true, for the time when a stage's second part begins.
        limit: seconds after which the stage is ended.

    Raises:
        UserError: the stage fails, with what it printed, or takes longer than the limit.
    """
    log = root / f"{stage}.log"
    started = time.monotonic()
    measured, spent = Measured(0.0, 0.0, 0, 0), dict[int, float]()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=root,
            env=sample_environment(),
            stdout=errors,
            stderr=errors,
        )
        try:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                _look(watched, measured, spent)
                if measured.turned is None and turn():
                    measured.turned = sum(spent.values())
                if time.monotonic() - started > limit:
                    raise UserError(f"the probe of the stage '{stage}' takes over {limit:.0f} s.")
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    measured.seconds = time.monotonic() - started
    measured.processor = sum(spent.values())
    if process.returncode:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
        raise UserError(f"the probe's stage '{stage}' failed: {text}")
    return measured


def _look(watched: psutil.Process, measured: Measured, spent: dict[int, float]) -> None:
    """Notes what the tree of a process holds now, and what each of it has spent, by its id."""
    try:
        tree = [watched, *watched.children(recursive=True)]
    except psutil.Error:  # it has just ended
        return
    held = 0
    for process in tree:
        try:
            held += process.memory_info().rss
            times = process.cpu_times()
            spent[process.pid] = times.user + times.system
        except psutil.Error:
            continue
    measured.memory = max(measured.memory, held)
    measured.processes = max(measured.processes, len(tree))
