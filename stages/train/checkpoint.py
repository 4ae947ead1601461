"""Checkpoints: everything a run needs to resume as if it had never stopped.

The work directory holds the last two, as `checkpoint-<step>.pt`, each with a mark,
`checkpoint-<step>.json`. A step's batch follows from its number, so the place in the data needs no
state. Weights and optimiser states are saved whole, so a different number of processes can resume
from them.
"""

import logging
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tohum.files import atomic_write
from tohum.marks import read_mark, write_mark

KEPT = 2
MARK = re.compile(r"checkpoint-(\d+)\.json")

log = logging.getLogger(__name__)


@dataclass
class RunState:
    """Where a run is: steps done, seconds spent, the rows of plots/train.csv, the losses since the
    last row, the smoothed loss and its lowest value, the precision once it is chosen, and the loss
    scale in float16 with the steps since it changed.
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


@dataclass
class Checkpoint:
    """What a checkpoint holds: weights by name, and the states of each optimiser and of the run."""

    weights: dict[str, torch.Tensor]
    optimizers: list[dict[str, Any]]
    state: RunState


def checkpoints(folder: Path) -> list[Path]:
    """Returns the complete checkpoints of a work directory, the newest first."""
    marks = [match for path in folder.iterdir() if (match := MARK.fullmatch(path.name))]
    steps = sorted((int(match[1]) for match in marks), reverse=True)
    return [folder / f"checkpoint-{step}.pt" for step in steps]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint; it is complete and on disk before an older one is deleted."""
    values = {
        "weights": checkpoint.weights,
        "optimizers": checkpoint.optimizers,
        "state": asdict(checkpoint.state),
        "random": torch.get_rng_state(),
    }
    saved = folder / f"checkpoint-{checkpoint.state.step}.pt"
    _mark_of(saved).unlink(missing_ok=True)
    with atomic_write(saved) as file:
        torch.save(values, file)
    write_mark(_mark_of(saved), [saved])
    for path in checkpoints(folder)[KEPT:]:
        _mark_of(path).unlink()
        path.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Returns the newest checkpoint that is as it was written, or None, and restores torch's
    generator.
    """
    for path in checkpoints(folder) if folder.is_dir() else []:
        if read_mark(_mark_of(path)) is None:
            log.warning("trying the checkpoint before it")
            continue
        values = torch.load(path, map_location="cpu", weights_only=True)
        torch.set_rng_state(values["random"])
        state = RunState(**values["state"])
        return Checkpoint(values["weights"], values["optimizers"], state)
    return None


def _mark_of(path: Path) -> Path:
    return path.with_suffix(".json")
