"""A checkpoint: everything that a run needs to go on as if it had never stopped."""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from stages.workdir import atomic_write

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run is: steps done, seconds spent, the rows of plots/train.csv, and the losses since
    the last row.
    """

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    recent_losses: list[float] = field(default_factory=list)


def save_checkpoint(path: Path, model: torch.nn.Module, optimizer: Any, progress: Progress) -> None:
    """Writes weights, optimiser and progress; the file is whole or the last one stays."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
    }
    with atomic_write(path) as file:
        torch.save(state, file)


def load_checkpoint(path: Path, model: torch.nn.Module, optimizer: Any) -> Progress:
    """Puts model and optimiser where the checkpoint left them; without one, at the start."""
    if not path.is_file():
        return Progress()
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    progress = Progress(**state["progress"])
    log.info("going on from step %d", progress.step)
    return progress
