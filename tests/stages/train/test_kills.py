"""SIGKILL at any moment, and what the next run makes of it."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from stages.train.checkpoint import checkpoints
from tests.processes import PATIENCE
from tests.tiny import (
    SHORT_RUN,
    file_bytes,
    model_and_train,
    runtime,
    start_stage,
    write_project,
)

pytestmark = pytest.mark.slow


KILLS, STEPS = 12, 120
OVERRIDES = (
    "model.context_length=16",
    "model.hidden_size=16",
    *SHORT_RUN,
    f"train.steps={STEPS}",
    "train.log_every=10",
    "train.evaluate_every=40",
)


def train_here(root: str) -> None:
    """The whole stage, with a checkpoint at each step; runs in a process of its own."""
    from stages.train.pretraining import train

    model, config = model_and_train(*OVERRIDES)
    base = Path(root)
    os.environ["DVC_ROOT"] = root
    train(
        model,
        config,
        runtime(1, checkpoint_seconds=0),
        tokens=base / "data/tokens",
        tokenizer_folder=base / "models/tokenizer",
        out=base / "models/weights",
        plot=base / "plots/train.csv",
    )


def outputs(root: Path) -> dict[str, bytes]:
    return {
        **file_bytes(root / "models/weights"),
        "plots/train.csv": (root / "plots/train.csv").read_bytes(),
    }


def test_a_run_killed_many_times_ends_in_the_same_bytes(inputs: Path, tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")  # imports torch once, not at each start
    processes.set_forkserver_preload(["stages.train.pretraining"])
    for name in ("whole", "killed"):
        shutil.copytree(inputs, tmp_path / name)

    def start(name: str) -> BaseProcess:
        process = processes.Process(target=train_here, args=(str(tmp_path / name),))
        process.start()
        return process

    finish(start("whole"))
    moments = random.Random(0)
    for _ in range(KILLS):
        run = start("killed")
        target = last_step(tmp_path / "killed") + moments.randrange(7)
        while last_step(tmp_path / "killed") < target:
            assert run.is_alive()
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        run.kill()
        run.join()
        assert run.exitcode == -signal.SIGKILL
    assert 10 < last_step(tmp_path / "killed") < STEPS
    finish(start("killed"))
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")


def finish(process: BaseProcess) -> None:
    process.join()
    assert process.exitcode == 0


def last_step(root: Path) -> int:
    """The step of the newest checkpoint."""
    folders = [path for path in (root / ".work/train").glob("*/") if path.is_dir()]
    newest = [path for folder in folders for path in checkpoints(folder)[:1]]
    return int(newest[0].stem.split("-")[1]) if newest else 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_saves_and_tells_how_to_go_on(
    inputs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    shutil.copytree(inputs, tmp_path, dirs_exist_ok=True)
    write_project(tmp_path, *OVERRIDES, "train.steps=1000000")
    process = start_stage(tmp_path, "train")
    until = time.monotonic() + PATIENCE
    while not last_step(tmp_path):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.01)
    before = last_step(tmp_path)
    process.send_signal(number)
    try:
        _, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 130
    assert "run `dvc repro` to resume" in errors
    saved = last_step(tmp_path)
    assert f"saved at step {saved}" in errors
    assert saved > before
    assert not (tmp_path / "models/weights").exists()
