from dataclasses import replace
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.train.schedule import context_halvings
from tests.tiny import model_and_train
from tohum.commands.estimate.training_probe import mean_seconds

_, CONFIG = model_and_train()


@given(st.integers(0, 6), st.floats(0, 1), st.floats(0.1, 1))
def test_a_step_takes_what_the_steps_of_a_run_take_on_average(
    doublings: int, growth: float, short: float
) -> None:
    config = replace(CONFIG, context_growth_share=growth)
    least = 2.0**-doublings

    def seconds(halvings: int) -> float:
        length = 2.0**-halvings
        return 1.0 if not doublings else short + (1 - short) * (length - least) / (1 - least)

    steps = 200
    expected = mean(
        seconds(context_halvings(step / steps, doublings, growth)) for step in range(steps)
    )
    assert mean_seconds(1.0, short, config, doublings) == pytest.approx(expected, abs=0.03)
