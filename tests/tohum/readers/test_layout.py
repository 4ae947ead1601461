"""JSON is read as it is laid out, whatever the suffix: rows on lines, an array, or objects."""

import gzip
import json
from pathlib import Path

import pytest

from tests.tohum.readers.reading import broken_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import Broken, Row, detect

ROWS = [{"soru": f'{n} \\ "ne" {{[', "ek": [{"n": n}, []]} for n in range(4)]
PRETTY = [json.dumps(row, indent=2) for row in ROWS]
ONE_A_LINE = [json.dumps(row) for row in ROWS]
LAYOUTS = {
    "an array": json.dumps(ROWS),
    "an array with indents": json.dumps(ROWS, indent=4),
    "an array with a row a line": "[\n" + ",\n".join(ONE_A_LINE) + "\n]",
    "objects with indents": "\n".join(PRETTY),
    "objects with indents and commas": ",\n".join(PRETTY),
    "lines": "\n".join(ONE_A_LINE),
    "lines that end in commas": ",\n".join(ONE_A_LINE),
    "two arrays glued": json.dumps(ROWS[:2]) + json.dumps(ROWS[2:]),
    "two arrays on lines": json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]) + "\n",
    "two arrays glued, each with a mark": (
        "\ufeff" + json.dumps(ROWS[:2]) + "\ufeff" + json.dumps(ROWS[2:])
    ),
    "carriage returns": "\r".join(ONE_A_LINE),
    "carriage returns and indents": "\r".join(PRETTY).replace("\n", "\r"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["json", "jsonl", "jsonl.gz", "ndjson"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(
    tmp_path: Path, layout: str, suffix: str, encoding: str
) -> None:
    content = LAYOUTS[layout].encode(encoding)
    packed = gzip.compress(content) if suffix.endswith("gz") else content

    assert values_of(write(tmp_path / f"a.{suffix}", packed)) == ROWS


def test_what_follows_an_array_is_not_lost_in_silence(tmp_path: Path) -> None:
    rows = rows_of(write(tmp_path / "a.json", '[{"a": 1}] x {"a": 2} ]'))

    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.number for row in rows if isinstance(row, Broken)] == [2, 4]


def test_lines_of_python_stay_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "{'a': 1}\n{'a': 2}\n")

    assert detect(path).format == "jsonl"
    assert [row.number for row in broken_of(path)] == [1, 2]


def test_lines_that_are_conversations_stay_lines(tmp_path: Path) -> None:
    line = json.dumps([{"content": "x", "role": "user"}])

    for name in ("a.jsonl", "a.json"):
        assert detect(write(tmp_path / name, f"{line}\n{line}\n")).format == "jsonl"


def test_objects_cut_off_in_lines_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ends before its object does"):
        rows_of(write(tmp_path / "a.jsonl", "\n".join(PRETTY)[:-3]))


def test_a_part_with_other_line_ends_loses_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a":1}\n{"a":2}\r{"a":3}\r\r{"a":4}\n{"a":\r5}\n')

    assert [(row.number, row.values["a"]) for row in rows_of(path) if isinstance(row, Row)] == [
        (1, 1), (2, 2), (2, 3), (2, 4), (3, 5),
    ]  # fmt: skip


def test_a_byte_order_mark_in_the_middle_costs_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '\ufeff{"a":1}\n\ufeff{"a":2}\n')

    assert values_of(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**64, 0])
def test_nan_beside_a_long_integer_is_null(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"a": NaN, "b": {number}}}\n')

    assert values_of(path) == [{"a": None, "b": number}]
