"""Training that is killed repeatedly ends in the same bytes as training that never was.

    python -m benchmarks.resume [--kills 10] [--steps 300]

Makes token files from the installed packages and trains the laptop preset on them for some steps,
once undisturbed and once killed with SIGKILL at random moments, and prints the SHA-256 of both
weights.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.projects import encoded_project, link, start_stage, write_runtime, write_values
from benchmarks.targets import report
from tohum.files import file_sha256
from tohum.model.weights import WEIGHTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        made = encoded_project(Path(name) / "made")
        starting = seconds_of(project(Path(name) / "brief", made, 1))
        whole = project(Path(name) / "whole", made, arguments.steps)
        seconds = seconds_of(whole) - starting
        killed = project(Path(name) / "killed", made, arguments.steps)
        kills = kill_often(killed, arguments.kills, starting, seconds)
        hashes = [file_sha256(root / "models/weights" / WEIGHTS) for root in (whole, killed)]
    print(f"never killed     {hashes[0]}")
    print(f"killed {kills:3} times {hashes[1]}")
    done = report("kills", kills, "at least", arguments.kills)
    same = report("equal hashes", float(hashes[0] == hashes[1]), "at least", 1)
    sys.exit(0 if done and same else 1)


def project(root: Path, made: Path, steps: int) -> Path:
    """Makes a project ready to train, with a checkpoint every second.

    Args:
        root: of the project.
        made: the project whose token files and tokenizer it uses.
        steps: to train for.
    """
    write_values(root, [f"train.steps={steps}", "train.evaluate_every=100000"])
    write_runtime(root, checkpoint_seconds=1, progress=False)
    for folder in ("data/tokens", "models/tokenizer"):
        link(root, made, folder)
    return root


def start(root: Path) -> "subprocess.Popen[bytes]":
    return start_stage(root, "train", subprocess.DEVNULL)


def seconds_of(root: Path) -> float:
    """Trains undisturbed; returns how long it takes."""
    started = time.monotonic()
    check_ended(start(root).wait())
    return time.monotonic() - started


def check_ended(code: int) -> None:
    """Ends the benchmark if a training run has failed."""
    if code:
        sys.exit(f"the training failed with exit code {code}")


def kill_often(root: Path, count: int, starting: float, seconds: float) -> int:
    """Trains to the end, killing the run up to `count` times; returns how often it did.

    Args:
        root: of the project.
        count: of kills.
        starting: the time until the first step.
        seconds: the time that all steps take; the kills come within it.
    """
    moments, kills = random.Random(0), 0
    while True:
        process = start(root)
        try:
            left = starting + moments.uniform(0, seconds / max(1, count))
            process.wait(left if kills < count else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            continue
        check_ended(process.returncode)
        return kills


if __name__ == "__main__":
    main()
