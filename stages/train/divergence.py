"""Tells a training that has gone wrong, before it overwrites what was good."""

import math
from typing import NoReturn

from stages.train.checkpoint import Progress
from stages.train.config import Train
from tohum.errors import UserError

MEMORY = 0.98  # of the smoothed loss, for each step: half of it is of the last 34
SETTLED = 50  # steps after which it is more than the noise of the first batches
RISE = 1.0  # nats above its lowest: noise and the end of a warm-up stay far below


def watch_loss(progress: Progress, loss: float, config: Train) -> None:
    """Takes the loss of a step, in nats, into the smoothed one.

    Raises:
        UserError: it is no number, or has risen by more than a nat above its lowest.
    """
    if not math.isfinite(loss):
        raise UserError(f"the loss at step {progress.step} is {loss}: {_remedy(config)}")
    before = loss if progress.smoothed_loss is None else progress.smoothed_loss
    smoothed = MEMORY * before + (1 - MEMORY) * loss
    progress.smoothed_loss = smoothed
    if progress.step < SETTLED:
        return
    lowest = min(smoothed, smoothed if progress.lowest_loss is None else progress.lowest_loss)
    progress.lowest_loss = lowest
    if smoothed > lowest + RISE:
        raise UserError(
            f"the loss has risen from {lowest:.2f} to {smoothed:.2f} nats a token by step "
            f"{progress.step}: {_remedy(config)}"
        )


def refuse_gradient(progress: Progress, config: Train) -> NoReturn:
    """Stops a run whose gradient is no number, before that gets into the weights.

    Raises:
        UserError: always.
    """
    raise UserError(f"the gradient at step {progress.step} is no number: {_remedy(config)}")


def _remedy(config: Train) -> str:
    return (
        f"the run diverged. Lower train.learning_rate ({config.learning_rate}) or lengthen "
        f"train.warmup_share ({config.warmup_share}). The checkpoints from before "
        "stay in .work/train."
    )
