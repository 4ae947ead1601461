"""Steps in float16, and steps whose gradient is not finite."""

import math
from pathlib import Path

import pytest
import torch

from stages.train.checkpoint import RunState
from stages.train.loss_scale import GROWTH_STEPS, HIGHEST, current_scale, grow, shrink
from stages.train.run import Run
from tests.tiny import model_and_train, runtime
from tohum.errors import UserError
from tohum.model.determinism import set_determinism


def new_run(inputs: Path, precision: str) -> Run:
    model, config = model_and_train(
        "train.steps=12",
        "train.log_every=1",
        "train.learning_rate=0.003",  # at a higher one, roundings grow faster than steps learn
        f"train.precision={precision}",
    )
    set_determinism(config.seed, config.threads)
    return Run(model, config, runtime(1), inputs / "data/tokens", inputs / "models/tokenizer")


def losses(run: Run, folder: Path) -> list[float]:
    folder.mkdir()
    run.train(folder)
    return [float(row["loss"]) for row in run.state.rows]


def test_float16_trains_as_float32_does(inputs: Path, tmp_path: Path) -> None:
    whole, half = (new_run(inputs, precision) for precision in ("float32", "float16"))
    exact = losses(whole, tmp_path / "float32")
    assert len(exact) == 12
    assert losses(half, tmp_path / "float16") == pytest.approx(exact, abs=0.01)
    assert not torch.equal(half.weights()["embedding"], whole.weights()["embedding"])


@pytest.mark.parametrize("scale", [1.0, 2.0**8, 2.0**16])
def test_the_scale_is_divided_out_of_the_gradients(inputs: Path, scale: float) -> None:
    run = new_run(inputs, "float32")
    run.gradients.compute(0)
    expected = run.network.embedding.grad
    run.network.zero_grad()
    run.gradients.compute(0, scale)
    assert expected is not None and run.network.embedding.grad is not None
    assert torch.equal(run.network.embedding.grad, expected)


def test_a_step_that_overflows_is_left_out_and_halves_the_scale(inputs: Path) -> None:
    run = new_run(inputs, "float16")
    run.state.precision = run.gradients.precision = "float16"
    run.state.loss_scale, run.state.steps_in_scale = 2.0**60, 5
    before = run.weights()["embedding"].clone()
    assert math.isfinite(run._step(0.5))
    assert torch.equal(run.weights()["embedding"], before)
    assert (run.state.loss_scale, run.state.steps_in_scale) == (2.0**59, 0)
    run.state.loss_scale = 2.0**10
    run._step(0.5)
    assert not torch.equal(run.weights()["embedding"], before)
    assert (run.state.loss_scale, run.state.steps_in_scale) == (2.0**10, 1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gradient_that_is_no_number_ends_the_run_before_it_reaches_the_weights(
    precision: str, inputs: Path
) -> None:
    run = new_run(inputs, precision)
    run.state.precision = run.gradients.precision = precision
    run.state.loss_scale = 1.0
    run.network.embedding.register_hook(lambda gradient: gradient * math.nan)
    before = {name: weight.clone() for name, weight in run.weights().items()}
    with pytest.raises(UserError, match=r"the gradient at step 0 is not finite: the run diverged"):
        run._step(0.5)
    assert all(torch.equal(weight, before[name]) for name, weight in run.weights().items())


def test_the_scale_grows_after_many_good_steps_up_to_its_highest() -> None:
    state = RunState(precision="float16")
    for _ in range(GROWTH_STEPS):
        assert current_scale(state) == 2.0**16
        grow(state)
    assert current_scale(state) == 2.0**17
    for _ in range(20 * GROWTH_STEPS):
        grow(state)
    assert current_scale(state) == HIGHEST
    assert shrink(state) and current_scale(state) == HIGHEST / 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_other_precisions_need_no_scale(precision: str) -> None:
    state = RunState(precision=precision)
    assert current_scale(state) == 1.0
    assert not shrink(state)
