import os
from pathlib import Path

import pytest

from tests.tohum.commands.show.asking import asked
from tohum.commands.show.scaling_curve import newest_scaling, read_scaling, show
from tohum.errors import UserError

HEAD = "entries,bytes_per_token,bits_per_byte,seconds"


def write_sweep(root: Path, name: str, head: str, *rows: str, time: int = 1) -> Path:
    path = root / "outputs" / "sweep" / name / "sweep.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([f"{head},{HEAD}", *rows]) + "\n", encoding="utf-8")
    os.utime(path, (time, time))
    return path


def test_the_newest_sweep_with_trained_models_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ("20000,400,2.0,2.5,9", "2000,400,2.0,3.5,9", "200000,400,2.0,,9")
    write_sweep(tmp_path, "old", "train.steps", "1,400,2.0,2.5,9", "2,400,2.0,2.25,9")
    write_sweep(tmp_path, "trained", "source.max_bytes", *rows, time=2)
    write_sweep(tmp_path, "counted", "tokenizer.vocab_size", "300,300,1.5,,1", time=3)
    monkeypatch.chdir(tmp_path)
    lines, drawing = show(asked("scaling"), 80)
    assert [line.split()[:2] for line in lines[2:]] == [
        ["source.max_bytes"],
        ["2,000", "3.500"],
        ["20,000", "2.500"],
    ]
    svg = drawing.svg()
    assert all(f">{text}<" in svg for text in ("3.500", "2.500", "20,000", "source.max_bytes"))


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("a.b,c.d", ["1,2,400,2.0,2.5,9", "1,3,400,2.0,2.5,9"]),
        ("model", ["tiny,400,2.0,2.5,9", "laptop,400,2.0,2.5,9"]),
        ("train.steps", ["5,400,2.0,2.5,9"]),
        ("train.fim_share", ["0,400,2.0,2.5,9", "0.5,400,2.0,2.5,9"]),
    ],
)
def test_what_has_no_curve_is_none(tmp_path: Path, head: str, rows: list[str]) -> None:
    assert read_scaling(write_sweep(tmp_path, "one", head, *rows)) is None


def test_without_a_sweep_it_says_which_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tohum sweep -m sweep\.until=evaluate train\.steps="):
        newest_scaling(tmp_path / "outputs" / "sweep")
