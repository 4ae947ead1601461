import math

import pytest

from stages.train.checkpoint import RunState
from stages.train.divergence import watch_loss
from tests.tiny import model_and_train
from tohum.errors import UserError

CONFIG = model_and_train()[1]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(loss: float) -> None:
    with pytest.raises(UserError, match=rf"the loss at step 4 is {loss}: the run diverged"):
        watch_loss(RunState(step=4), loss, CONFIG)


def watch(state: RunState, loss: float) -> None:
    watch_loss(state, loss, CONFIG)
    state.step += 1


def test_a_loss_that_rises_for_long_ends_the_run() -> None:
    state = RunState()
    for _ in range(100):
        watch(state, 3.0)
    with pytest.raises(UserError, match=r"has risen from 3\.00 to 4\.\d\d nats"):
        for _ in range(100):
            watch(state, 5.0)


def test_noise_ends_no_run() -> None:
    state = RunState()
    for step in range(1000):
        watch(state, 4.0 + 3 * (step % 2))
    assert state.smoothed_loss == pytest.approx(5.5, abs=0.1)


def test_one_hard_batch_ends_no_run() -> None:
    state = RunState()
    for step in range(200):
        watch(state, 40.0 if step == 100 else 2.0)
