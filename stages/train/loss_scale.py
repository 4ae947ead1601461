"""The loss scale for float16, in which small gradients would become zero.

The loss is multiplied before the backward pass and the gradients are divided after it
(https://arxiv.org/abs/1710.03740). A step whose gradients overflow is skipped and halves the scale.
torch.amp.GradScaler checks each optimiser's gradients separately. Here their norm, which clipping
needs anyway, decides for the whole step, and so alike in all processes.
"""

import logging

from stages.train.checkpoint import RunState

GROWTH_STEPS = 2000  # without an overflow; then the scale doubles
HIGHEST = 2.0**24

log = logging.getLogger(__name__)


def current_scale(state: RunState) -> float:
    """Returns the next step's scale: one for a precision that needs none."""
    return state.loss_scale if state.precision == "float16" else 1.0


def grow(state: RunState) -> None:
    """Records a step without an overflow."""
    if state.precision != "float16":
        return
    state.steps_in_scale += 1
    if state.steps_in_scale == GROWTH_STEPS:
        state.loss_scale = min(HIGHEST, 2 * state.loss_scale)
        state.steps_in_scale = 0


def shrink(state: RunState) -> bool:
    """Records a step that overflowed, and returns whether a smaller scale may help."""
    if current_scale(state) <= 1:
        return False
    state.loss_scale /= 2
    state.steps_in_scale = 0
    log.info("step %d overflowed: the loss scale is now %g", state.step, state.loss_scale)
    return True
