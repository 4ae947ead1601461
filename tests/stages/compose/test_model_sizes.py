from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.compose.composition import compose
from stages.compose.model_sizes import HEAD_SIZE, hidden_size, num_heads
from tests.tiny import PROJECT
from tohum.errors import UserError


def model(*overrides: str) -> tuple[int, ...]:
    values: dict[str, Any] = compose(PROJECT / "conf", list(overrides))["model"]
    names = ("num_layers", "hidden_size", "intermediate_size", "num_heads", "num_key_value_heads")
    return tuple(int(values[name]) for name in names)


@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [
        ([], (4, 192, 576, 3, 3)),
        (["model=one_hour"], (6, 256, 768, 4, 4)),
        (["model.num_layers=1"], (1, 64, 192, 1, 1)),
        (["model.num_layers=12"], (12, 576, 1728, 9, 9)),
        (["model.hidden_size=256"], (4, 256, 768, 4, 4)),
        (["model.hidden_size=200"], (4, 200, 600, 2, 2)),
        (["model.hidden_size=48"], (4, 48, 144, 1, 1)),
        (["model.num_heads=6"], (4, 192, 576, 6, 6)),
        (["model.num_layers='6'"], (6, 256, 768, 4, 4)),
        (["model.num_key_value_heads=1"], (4, 192, 576, 3, 1)),
        (["model=tiny", "model.num_layers=3"], (3, 32, 64, 2, 2)),
    ],
)
def test_what_is_not_set_follows_from_the_depth(
    overrides: list[str], sizes: tuple[int, ...]
) -> None:
    assert model(*overrides) == sizes


@pytest.mark.parametrize("value", ["abc", "null", "0", "-1", "4.5", "[4]", "true", "96001"])
@pytest.mark.parametrize("key", ["num_layers", "hidden_size"])
def test_a_wrong_size_is_refused_by_its_own_key(key: str, value: str) -> None:
    with pytest.raises(UserError, match=f"^model.{key} is "):
        model(f"model.{key}={value}")


@pytest.mark.parametrize("key", ["num_layers", "hidden_size", "num_heads"])
def test_a_key_that_was_taken_away_is_asked_for(key: str) -> None:
    with pytest.raises(UserError, match=f"model.{key} has no value"):
        model(f"~model.{key}")


@given(st.integers(1, 1024))
def test_any_depth_has_even_heads_that_fill_the_width(layers: int) -> None:
    width = hidden_size(layers)
    assert width == num_heads(width) * HEAD_SIZE
    assert hidden_size(layers + 1) >= width


@given(st.integers(4, 40_000).map(lambda half: 2 * half))
def test_any_even_width_is_filled_by_even_heads(width: int) -> None:
    assert width % (2 * num_heads(width)) == 0
    assert num_heads(width) == 1 or width // num_heads(width) >= HEAD_SIZE
