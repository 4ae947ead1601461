import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny import table_counts
from tohum.files import file_sha256
from tohum.formats import pretoken_table
from tohum.formats.pretoken_table import (
    META,
    TABLE,
    PretokenRows,
    read_meta,
    read_table,
    rows_of,
    write_table,
)

TABLES = st.dictionaries(st.binary(min_size=1, max_size=12), st.integers(1, 2**40), max_size=20)


def batches(counts: dict[bytes, int], rows: int) -> Iterator[PretokenRows]:
    """The sorted table in batches of some rows."""
    ordered = sorted(counts.items())
    for first in range(0, len(ordered), rows):
        yield rows_of(ordered[first : first + rows])


@settings(deadline=None)
@given(TABLES, st.integers(1, 25))
def test_a_table_is_read_as_it_was_written(counts: dict[bytes, int], rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), batches(counts, rows), {})
        read = [row for batch in read_table(Path(folder)) for row in batch.rows()]
        assert read == sorted(counts.items())


def test_batches_of_another_size_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretoken_table, "GROUP_ROWS", 100)
    counts = {number.to_bytes(2, "big"): number + 1 for number in range(1050)}
    for rows in (7, 100, 333, 2000):
        (tmp_path / str(rows)).mkdir()
        write_table(tmp_path / str(rows), batches(counts, rows), {"fact": 1})
        for name in (TABLE, META):
            assert (tmp_path / str(rows) / name).read_bytes() == (
                tmp_path / "7" / name
            ).read_bytes()
    metadata = pyarrow.parquet.ParquetFile(tmp_path / "7" / TABLE).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert groups == [100] * 10 + [50]
    assert table_counts(tmp_path / "7") == counts


def test_a_group_has_no_more_bytes_than_its_offsets_can_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretoken_table, "GROUP_ROWS", 100)
    monkeypatch.setattr(pretoken_table, "GROUP_BYTES", 1000)
    monkeypatch.setattr(pretoken_table, "BATCH_ROWS", 7)
    counts = {number.to_bytes(2, "big") * (number % 40 + 1): number + 1 for number in range(300)}
    counts[b"\xff" * 5000] = 1  # more than a group has room for: a group of its own
    for rows in (7, 1000):
        (tmp_path / str(rows)).mkdir()
        write_table(tmp_path / str(rows), batches(counts, rows), {})
        assert table_counts(tmp_path / str(rows)) == counts
    assert (tmp_path / "7" / TABLE).read_bytes() == (tmp_path / "1000" / TABLE).read_bytes()
    with pyarrow.parquet.ParquetFile(tmp_path / "7" / TABLE) as file:
        groups = [
            [len(value.as_py()) for value in file.read_row_group(number)["pretoken"]]
            for number in range(file.num_row_groups)
        ]
    assert groups.pop() == [5000]
    assert all(sum(sizes) <= 1000 for sizes in groups)
    assert all(sum(sizes) + after[0] > 1000 for sizes, after in itertools.pairwise(groups))


def test_an_empty_table_is_read_as_one(tmp_path: Path) -> None:
    write_table(tmp_path, [], {})
    assert table_counts(tmp_path) == {}
    assert read_meta(tmp_path)["different_pretokens"] == 0


def test_the_meta_holds_facts_totals_and_the_hash_of_the_table(tmp_path: Path) -> None:
    returned = write_table(tmp_path, [rows_of([(b"abc", 2**40), (b"d", 3)])], {"pattern": "é"})
    assert read_meta(tmp_path) == returned
    assert returned == {
        "pattern": "é",
        "pretokens": 2**40 + 3,
        "different_pretokens": 2,
        "bytes": 3 * 2**40 + 3,
        "sha256": file_sha256(tmp_path / TABLE),
    }
