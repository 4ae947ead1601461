import datetime
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.tohum.readers.reading import blocks_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import Row
from tohum.readers.parquet import Batch, RowGroups

NESTED = [
    {
        "repo_name": f"owner/{n}",
        "stars": n if n % 3 else None,
        "seen": datetime.datetime(2024, 1, 1 + n % 28),
        "files": [{"path": f"{k}.py", "content": "ğ" * k} for k in range(n % 4)],
        "licenses": ["MIT"] * (n % 3),
    }
    for n in range(500)
]


def save(path: Path, rows: list[dict[str, Any]], row_group_size: int) -> Path:
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, path, row_group_size=row_group_size)
    return path


@pytest.mark.parametrize("row_group_size", [1, 7, 500])
def test_nested_rows_come_as_they_are(tmp_path: Path, row_group_size: int) -> None:
    rows = rows_of(save(tmp_path / "a.parquet", NESTED, row_group_size))

    assert rows == [Row(number, values) for number, values in enumerate(NESTED, 1)]


@pytest.mark.parametrize(
    ("row_group_size", "kind"), [(100, RowGroups), (20_000, RowGroups), (200_000, Batch)]
)
def test_blocks_follow_each_other_and_are_of_a_size(
    tmp_path: Path, row_group_size: int, kind: type
) -> None:
    letters = random.Random(4)
    rows = [{"n": n, "text": letters.randbytes(500).hex()} for n in range(40_000)]
    blocks = blocks_of(save(tmp_path / "a.parquet", rows, row_group_size))

    assert {type(block) for block in blocks} == {kind}
    assert 2 <= len(blocks) <= 12
    number = 1
    for block in blocks:
        assert block.number == number
        for row in block.rows():
            assert row == Row(number, rows[number - 1])
            number += 1
    assert number == len(rows) + 1


def test_large_strings_and_an_empty_file_are_read(tmp_path: Path) -> None:
    schema = pyarrow.schema([("text", pyarrow.large_string())])
    for rows in ([], [{"text": "x"}]):
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
        assert values_of(path) == rows


def test_a_file_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", NESTED, 100)

    with pytest.raises(UserError, match=r"a\.parquet is not a parquet file"):
        rows_of(write(path, path.read_bytes()[:-100]))


def test_a_row_that_python_cannot_hold_is_broken_and_the_others_are_kept(tmp_path: Path) -> None:
    texts = pyarrow.array([b"a", b"\xf0\xfe", b"c"]).cast(pyarrow.binary()).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "a.parquet")
    rows = rows_of(tmp_path / "a.parquet")

    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.values["text"] for row in rows if isinstance(row, Row)] == ["a", "c"]


def test_nanoseconds_are_cut_to_what_python_has(tmp_path: Path) -> None:
    seen = pyarrow.array([1_700_000_000_123_456_789], pyarrow.timestamp("ns"))
    nested = pyarrow.StructArray.from_arrays([seen], ["seen"])
    pyarrow.parquet.write_table(
        pyarrow.table({"seen": seen, "meta": nested}), tmp_path / "a.parquet"
    )
    [values] = values_of(tmp_path / "a.parquet")

    assert values["seen"].microsecond == 123_456
    assert values["meta"] == {"seen": values["seen"]}


def test_a_damaged_page_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", [{"text": f"{n}" * 50} for n in range(2000)], 500)
    content = bytearray(path.read_bytes())
    content[100:3000] = b"\xff" * 2900

    with pytest.raises(UserError, match=r"a\.parquet is damaged in row group 0"):
        rows_of(write(path, bytes(content)))


def test_a_text_that_all_rows_share_is_not_in_memory_for_each(tmp_path: Path) -> None:
    """A group of 6,000 rows with one text of 50 kB takes 50 kB in the file, and 300 MB in Arrow."""
    path = tmp_path / "a.parquet"
    text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 6000), ["x" * 50_000])
    pyarrow.parquet.write_table(pyarrow.table({"text": text}), path, store_schema=False)
    before = pyarrow.default_memory_pool().max_memory()
    rows = 0
    for block in blocks_of(path):
        for row in block.rows():
            assert isinstance(row, Row) and len(row.values["text"]) == 50_000
            rows += 1

    assert rows == 6000
    assert pyarrow.default_memory_pool().max_memory() <= max(before, 150_000_000)
