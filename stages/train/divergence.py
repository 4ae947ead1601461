"""Detects a training run that diverges, before it overwrites good checkpoints."""

import math
from typing import NoReturn

from stages.train.checkpoint import RunState
from stages.train.config import Train
from tohum.errors import UserError

MEMORY = 0.98  # of the smoothed loss, per step: half of it comes from the last 34
SETTLED = 50  # steps until it is more than the noise of the first batches
RISE = 1.0  # nats above its lowest: noise and the end of a warm-up stay far below


def watch_loss(state: RunState, loss: float, config: Train) -> None:
    """Adds a step's loss, in nats, to the smoothed loss.

    Raises:
        UserError: the loss is not finite, or has risen more than a nat above its lowest.
    """
    if not math.isfinite(loss):
        raise UserError(f"the loss at step {state.step} is {loss}: {_remedy(config)}")
    before = loss if state.smoothed_loss is None else state.smoothed_loss
    smoothed = MEMORY * before + (1 - MEMORY) * loss
    state.smoothed_loss = smoothed
    if state.step < SETTLED:
        return
    lowest = min(smoothed, smoothed if state.lowest_loss is None else state.lowest_loss)
    state.lowest_loss = lowest
    if smoothed > lowest + RISE:
        raise UserError(
            f"the loss has risen from {lowest:.2f} to {smoothed:.2f} nats a token by step "
            f"{state.step}: {_remedy(config)}"
        )


def refuse_gradient(state: RunState, config: Train) -> NoReturn:
    """Stops a run whose gradient is not finite, before it reaches the weights.

    Raises:
        UserError: always.
    """
    raise UserError(f"the gradient at step {state.step} is not finite: {_remedy(config)}")


def _remedy(config: Train) -> str:
    return (
        f"the run diverged. Lower train.learning_rate ({config.learning_rate}) or lengthen "
        f"train.warmup_share ({config.warmup_share}); the training then starts over."
    )
