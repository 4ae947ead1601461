from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.train.schedule import context_halvings, learning_rate_share
from tests.tiny import model_and_train

SHARES = st.floats(0, 1)


@given(SHARES, SHARES, SHARES)
def test_a_share_lies_between_zero_and_one(progress: float, warmup: float, cooldown: float) -> None:
    assume(warmup + cooldown <= 1)
    assert 0 <= learning_rate_share(progress, warmup, cooldown) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("progress", "share"),
    [(0, 0), (0.1, 0.5), (0.2, 1), (0.3, 1), (0.5, 1), (0.75, 0.5), (0.9, 0.2), (1, 0)],
)
def test_it_rises_stays_and_falls_in_straight_lines(progress: float, share: float) -> None:
    assert learning_rate_share(progress, 0.2, 0.5) == pytest.approx(share)


@given(SHARES, SHARES)
def test_it_rises_in_the_warm_up_and_never_after(warmup: float, cooldown: float) -> None:
    assume(warmup + cooldown <= 1)
    points = [step / 50 for step in range(51)]
    for before, after in pairwise(points):
        earlier, later = (learning_rate_share(at, warmup, cooldown) for at in (before, after))
        if after < warmup:
            assert earlier < later
        elif before >= warmup:
            assert earlier >= later - 1e-9


@given(SHARES)
def test_without_warm_up_and_cooldown_it_is_flat(progress: float) -> None:
    assert learning_rate_share(progress, 0, 0) == 1


def test_a_cooldown_over_the_whole_run_starts_at_its_highest() -> None:
    assert learning_rate_share(0, 0, 1) == 1
    assert learning_rate_share(0.25, 0, 1) == 0.75


@pytest.mark.parametrize(
    ("progress", "halvings"), [(0, 2), (0.19, 2), (0.2, 1), (0.39, 1), (0.4, 0), (1, 0)]
)
def test_windows_double_at_equal_distances(progress: float, halvings: int) -> None:
    assert context_halvings(progress, 2, 0.4) == halvings


@given(SHARES, st.integers(0, 16))
def test_windows_never_become_shorter_and_end_whole(growth: float, doublings: int) -> None:
    found = [context_halvings(step / 50, doublings, growth) for step in range(51)]
    assert found[0] == (doublings if growth > 0 else 0)
    assert found == sorted(found, reverse=True)
    assert found[-1] == 0


@pytest.mark.parametrize(("length", "doublings"), [(1024, 3), (64, 3), (63, 2), (16, 1), (8, 0)])
def test_no_window_is_shorter_than_eight_tokens(length: int, doublings: int) -> None:
    _, config = model_and_train("train.context_doublings=3")
    assert config.doublings(length) == doublings
