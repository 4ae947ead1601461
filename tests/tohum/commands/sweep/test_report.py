import csv
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tohum.commands.sweep.picture import draw
from tohum.commands.sweep.plan import Plan
from tohum.commands.sweep.points import Outcome
from tohum.commands.sweep.report import best_of, report


def plan(root: Path, until: str = "evaluate") -> Plan:
    return Plan(
        root=root,
        folder=root,
        multirun=True,
        until=until,
        fixed=(),
        corner={},
        baseline="",
        code="",
        corpus={},
        hydra=(),
    )


def outcome(bytes_per_token: float | None, bits_per_byte: float | None, **swept: str) -> Outcome:
    values = {f"tokenizer.{key}": value for key, value in swept.items()}
    name = "_".join(swept.values())
    error = None if bytes_per_token else "it broke"
    return Outcome(values, name, "ran", 1.0, 300, bytes_per_token, bits_per_byte, error)


GRID = [
    outcome(1.5, 3.0, vocab_size="9000", min_frequency="2"),
    outcome(1.4, 2.0, vocab_size="10000", min_frequency="2"),
    outcome(1.7, 2.5, vocab_size="9000", min_frequency="4"),
    outcome(None, None, vocab_size="10000", min_frequency="4"),
]


def fills(svg: str) -> dict[str, str]:
    """The colour of each point, by its name."""
    colours = {}
    for shape in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"):
        title = shape.find("{http://www.w3.org/2000/svg}title")
        if title is not None and title.text is not None:
            colours[title.text] = shape.attrib["fill"]
    return colours


def test_more_bytes_per_token_and_fewer_bits_per_byte_are_better() -> None:
    assert best_of("bytes_per_token", GRID) is GRID[2]
    assert best_of("bits_per_byte", GRID) is GRID[1]
    assert best_of("bits_per_byte", GRID[3:]) is None


def test_a_sweep_can_compare_what_a_model_completes(tmp_path: Path) -> None:
    points = [
        replace(point, completion={"keystrokes_saved": value, "line_exact": 0.1}, by_seed=())
        for point, value in zip(GRID[:3], (0.25, 0.0, 0.5), strict=True)
    ]
    assert best_of("keystrokes_saved", points) is points[2]
    compared = replace(plan(tmp_path), objective="keystrokes_saved")
    text = report(compared, [*points, GRID[3]], tmp_path / "out")
    assert "with 0.500 keystrokes saved (more is better)" in text
    with (tmp_path / "out" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["keystrokes_saved"] for row in rows] == ["0.25", "0.5", "0.0", ""]
    assert "line_similarity" not in rows[0]
    picture = (tmp_path / "out" / "sweep.svg").read_text(encoding="utf-8")
    assert "Keystrokes saved (more is better)" in picture


def test_the_csv_has_a_row_for_every_point_by_size(tmp_path: Path) -> None:
    report(plan(tmp_path), GRID, tmp_path / "out")
    with (tmp_path / "out" / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["tokenizer.vocab_size"] for row in rows] == ["9000", "9000", "10000", "10000"]
    assert [row["error"] for row in rows] == ["", "", "", "it broke"]


def test_the_text_tells_the_best_and_the_failed(tmp_path: Path) -> None:
    text = report(plan(tmp_path), GRID, tmp_path / "out")
    assert "dvc exp apply 10000_2" in text
    assert "with 2.000 bits per byte (less is better)" in text
    assert "FAILED tokenizer.vocab_size=10000 tokenizer.min_frequency=4: it broke" in text


def test_the_best_point_has_the_darkest_cell() -> None:
    keys = ["tokenizer.vocab_size", "tokenizer.min_frequency"]
    more = draw(keys, ["bytes_per_token"], GRID)
    less = draw(keys, ["bits_per_byte"], GRID)
    assert more is not None
    assert less is not None
    assert fills(more)["9000_4"] == "#006d2c"
    assert fills(less)["10000_2"] == "#006d2c"
    assert fills(more)["10000_4"] == "#dddddd", "a failed point is grey"


@pytest.mark.parametrize("swept", [{"a": "<1>"}, {"a": "1", "b": "&"}])
def test_one_and_two_keys_have_a_picture(swept: dict[str, str]) -> None:
    svg = draw(
        [f"tokenizer.{key}" for key in swept], ["bytes_per_token"], [outcome(1.0, 1, **swept)]
    )
    assert svg is not None
    assert "1.000" in "".join(ElementTree.fromstring(svg).itertext())


def test_three_keys_have_a_table_only(tmp_path: Path) -> None:
    point = outcome(1.0, None, a="1", b="2", c="3")
    assert "sweep.svg" not in report(plan(tmp_path, "tokenizer"), [point], tmp_path / "out")


def trained(value: float, text_bytes: int, *by_seed: float, size: str) -> Outcome:
    swept = {"tokenizer.vocab_size": size}
    return Outcome(
        swept, size, "ran", 1.0, int(size), 2.0, value, None, 100, 6400, text_bytes, by_seed
    )


def test_unequal_amounts_of_text_are_told_with_the_budget_that_makes_them_equal(
    tmp_path: Path,
) -> None:
    points = [trained(2.0, 1_000_000, 2.0, size="300"), trained(1.9, 2_700_000, 1.9, size="2048")]
    said = report(plan(tmp_path), points, tmp_path / "out")
    assert "read 1.00 to 2.70 MB of text. To compare them at equal bytes: sweep.bytes=27000" in said
    assert "MB read" in said
    points[0].text_bytes = 2_690_000
    assert "sweep.bytes" not in report(plan(tmp_path), points, tmp_path / "out")


def test_several_seeds_have_their_mean_their_deviation_and_each_value(tmp_path: Path) -> None:
    points = [trained(2.0, 100, 1.9, 2.0, 2.1, size="300"), trained(3.0, 100, 3, 3, 3, size="400")]
    said = report(plan(tmp_path), points, tmp_path / "out")
    with (tmp_path / "out" / "sweep.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["seeds"], row["by_seed"]) == ("3", "1.900000 2.000000 2.100000")
    assert float(row["deviation"]) == pytest.approx(0.1)
    assert (row["steps"], row["tokens"], row["text_bytes"]) == ("100", "6400", "100")
    assert re.search(r"2\.000\s+0\.100\s+3\s+100", said)
