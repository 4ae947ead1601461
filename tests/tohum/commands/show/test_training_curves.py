from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.tohum.commands.show.asking import asked
from tohum.commands.show.training_curves import Curves, read_curves, show
from tohum.errors import UserError

HEAD = "step,tokens,learning_rate,loss,train_bits_per_byte,bits_per_byte\n"


def write_plot(root: Path, *rows: tuple[int, float, float | None]) -> Path:
    (root / "plots").mkdir()
    path = root / "plots" / "train.csv"
    lines = [f"{step},0,0,0,{one},{'' if two is None else two}\n" for step, one, two in rows]
    path.write_text(HEAD + "".join(lines))
    return path


def test_the_curves_are_those_of_the_committed_run() -> None:
    curves = read_curves(PROJECT / "plots" / "train.csv")
    assert 0 <= curves.training[-1][0] - curves.validation[-1][0] < 500
    assert curves.best[1] == min(value for _, value in curves.validation)


def test_curves_that_part_are_told_with_the_best_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plot(tmp_path, (10, 5.0, 5.0), (20, 3.0, 4.0), (30, 1.0, 4.5))
    monkeypatch.chdir(tmp_path)
    lines, drawing = show(asked("curves"), 30)
    assert "best on validation: 4.000 at step 20" in lines
    assert "by heart" in lines[-1]
    assert "best on validation" in drawing.svg()
    assert max(map(len, lines[:6])) <= 34


@pytest.mark.parametrize("validation", [[], [(10.0, 5.0)], [(10.0, 5.0), (20.0, 5.0)]])
def test_curves_that_fall_have_not_parted(validation: list[tuple[float, float]]) -> None:
    assert not Curves([(10.0, 5.0)], validation).parted


@pytest.mark.parametrize(
    "rows", [[(1, 0.01, None)], [(5, 8.0, 8.0)], [(9, 0.5, None), (90, 12, 1)]]
)
def test_any_run_can_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, float, float | None]]
) -> None:
    write_plot(tmp_path, *rows)
    monkeypatch.chdir(tmp_path)
    assert "training" in show(asked("curves"), 80)[1].svg()


def test_a_run_without_a_curve_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.csv is missing\. Run `dvc repro train`"):
        read_curves(tmp_path / "train.csv")
    with pytest.raises(UserError, match="has no points"):
        read_curves(write_plot(tmp_path))
