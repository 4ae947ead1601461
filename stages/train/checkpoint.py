"""Checkpoints: everything a run needs to resume as if it had never stopped.

The work directory holds the last two, as `checkpoint-<step>.pt`, or as a folder of shards
(`stages.train.shards`), each with a mark, `checkpoint-<step>.json`, which has the state of the run.
A step's batch follows from its number, so the place in the data needs no state. A different number
of processes can resume from either.
"""

import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tohum.files import atomic_write
from tohum.marks import Hashed, marked_files, read_mark, write_mark

KEPT = 2
WHOLE_FILE, SHARDS = ".pt", ".shards"
KINDS = (WHOLE_FILE, SHARDS)
MARK = re.compile(r"checkpoint-(\d+)\.json")

log = logging.getLogger(__name__)


@dataclass
class RunState:
    """Where a run is: steps done, seconds spent, the rows of plots/train.csv, the losses since the
    last row, the smoothed loss and its lowest value, the precision once it is chosen, the loss
    scale in float16 with the steps since it changed, the seconds until the first step, and the
    windows of a micro-batch if memory had room for no more.
    """

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    recent_losses: list[float] = field(default_factory=list)
    smoothed_loss: float | None = None
    lowest_loss: float | None = None
    precision: str = ""
    loss_scale: float = 2.0**16
    steps_in_scale: int = 0
    first_step_seconds: float | None = None
    halved_micro_batch: int | None = None


@dataclass
class Checkpoint:
    """What a whole checkpoint holds: weights by name, and the states of each optimiser and of the
    run.
    """

    weights: dict[str, torch.Tensor]
    optimizers: list[dict[str, Any]]
    state: RunState


def checkpoint_path(folder: Path, step: int, suffix: str = WHOLE_FILE) -> Path:
    """Returns where the checkpoint of a step is, or will be."""
    return folder / f"checkpoint-{step}{suffix}"


def checkpoints(folder: Path) -> list[Path]:
    """Returns the complete checkpoints of a work directory, the newest first."""
    marks = [match for path in folder.iterdir() if (match := MARK.fullmatch(path.name))]
    steps = sorted((int(match[1]) for match in marks), reverse=True)
    return [_saved(folder, step) for step in steps]


def _saved(folder: Path, step: int) -> Path:
    """Returns the checkpoint of a step, whichever its kind; a whole one if it is missing."""
    saved = (path for path in folder.glob(f"checkpoint-{step}.*") if path.suffix in KINDS)
    return next(saved, checkpoint_path(folder, step))


def newest_checkpoint(folder: Path) -> Path | None:
    """Returns the newest checkpoint that is as it was written, or None."""
    for path in checkpoints(folder) if folder.is_dir() else []:
        if read_mark(_mark_of(path)) is not None:
            return path
        log.warning("trying the checkpoint before it")
    return None


def delete_unfinished(folder: Path) -> None:
    """Deletes what killed processes have left of checkpoints that they did not complete."""
    marks = [path for path in folder.iterdir() if MARK.fullmatch(path.name)]
    complete = {
        file.path.relative_to(folder).parts[0] for mark in marks for file in marked_files(mark)
    }
    for path in folder.glob("checkpoint-*"):
        if path not in marks and path.name not in complete:
            _delete(path)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a whole checkpoint; it is complete and on disk before an older one is deleted."""
    values = {
        "weights": checkpoint.weights,
        "optimizers": checkpoint.optimizers,
        "random": torch.get_rng_state(),
    }
    saved = checkpoint_path(folder, checkpoint.state.step)
    _mark_of(saved).unlink(missing_ok=True)
    with atomic_write(saved) as file:
        torch.save(values, file)
    mark_as_complete(saved, [saved], checkpoint.state)


def mark_as_complete(saved: Path, files: Iterable[Path | Hashed], state: RunState) -> None:
    """Marks a checkpoint, whose files are on disk, as complete, and deletes older ones."""
    write_mark(_mark_of(saved), files, asdict(state))
    for path in checkpoints(saved.parent)[KEPT:]:
        _mark_of(path).unlink()
        _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_state(saved: Path) -> RunState:
    """Returns the state of the run at a checkpoint.

    Raises:
        FileNotFoundError: this process does not see it.
    """
    facts = read_mark(_mark_of(saved), files=False)
    if facts is None or not saved.exists():
        raise FileNotFoundError(saved)
    return RunState(**facts)


def load_checkpoint(saved: Path) -> Checkpoint:
    """Returns a whole checkpoint, and restores torch's generator."""
    values = torch.load(saved, map_location="cpu", weights_only=True)
    torch.set_rng_state(values["random"])
    return Checkpoint(values["weights"], values["optimizers"], read_state(saved))


def _mark_of(path: Path) -> Path:
    return path.with_suffix(".json")
