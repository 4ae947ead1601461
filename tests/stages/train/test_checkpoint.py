import logging
from pathlib import Path

import pytest
import torch

from stages.train.checkpoint import (
    Checkpoint,
    RunState,
    checkpoints,
    delete_unfinished,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)


def state(step: int) -> Checkpoint:
    return Checkpoint({"weight": torch.full((3,), float(step))}, [{"state": {}}], RunState(step))


def load_newest(folder: Path) -> Checkpoint | None:
    newest = newest_checkpoint(folder)
    return None if newest is None else load_checkpoint(newest)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, state(step))
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["checkpoint-100.pt", "checkpoint-10.pt"]
    marks = [name.replace(".pt", ".json") for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names + marks)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = Checkpoint(
        {"weight": torch.randn(3)},
        [{"state": {"weight": {"step": torch.tensor(2.0)}}, "param_groups": [{"lr": 0.1}]}],
        RunState(7, 1.5, [{"step": 7, "loss": "1.0"}], [0.5], 2.0, 1.5, "float32"),
    )
    save_checkpoint(tmp_path, saved)
    drawn = torch.rand(4)
    found = load_newest(tmp_path)
    assert found is not None
    assert torch.equal(found.weights["weight"], saved.weights["weight"])
    assert found.optimizers == saved.optimizers
    assert found.state == saved.state
    assert torch.equal(torch.rand(4), drawn)


def test_a_damaged_one_is_told_and_the_one_before_it_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    newest = checkpoints(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        found = load_newest(tmp_path)
    assert found is not None and found.state.step == 1
    assert "checkpoint-2.pt was damaged" in caplog.text


def test_without_one_there_is_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "missing") is None


def test_what_killed_processes_left_is_deleted(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2))
    kept = sorted(path.name for path in tmp_path.iterdir())
    for name in ("checkpoint-2.shards", "checkpoint-3.shards"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__0_0.distcp").write_bytes(b"half")
    for name in ("checkpoint-3.pt", "checkpoint-4.pt.partial", "checkpoint-4.json.partial"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "weights").mkdir()
    delete_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*kept, "weights"]
    newest = newest_checkpoint(tmp_path)
    assert newest is not None and newest.name == "checkpoint-2.pt"
