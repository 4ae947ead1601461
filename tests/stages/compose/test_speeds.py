from pathlib import Path

import pytest

from stages.compose.composition import write_lock_file
from stages.compose.speeds import change_speeds

A, B = {"train": {"steps": 1}, "evaluate": {"x": 1}}, {"train": {"steps": 2}, "evaluate": {"x": 1}}
PLOT, LOCK = Path("plots/speed.csv"), Path("params.lock.yaml")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    PLOT.parent.mkdir()


def compose(values: dict[str, dict[str, int]]) -> str | None:
    """What the stage compose leaves in the plot."""
    change_speeds(PLOT, LOCK, values)
    write_lock_file(LOCK, values)
    return PLOT.read_text() if PLOT.is_file() else None


def test_the_speeds_are_those_of_the_model_that_comes_back_from_the_cache() -> None:
    compose(A)
    PLOT.write_text("of A")
    assert compose(B) is None, "until B is trained"
    PLOT.write_text("of B")
    assert compose(A) == "of A"
    assert compose(B) == "of B"


def test_a_new_measure_of_the_same_model_keeps_its_speeds() -> None:
    compose(A)
    PLOT.write_text("of A")
    assert compose(A) == "of A"
    assert compose({**A, "evaluate": {"x": 2}}) == "of A"


@pytest.mark.parametrize("content", [b"train: [", b"\xff", None])
def test_speeds_of_an_unknown_configuration_are_not_shown_for_another(
    content: bytes | None,
) -> None:
    PLOT.write_text("of something")
    if content is not None:
        LOCK.write_bytes(content)
    assert compose(A) is None
