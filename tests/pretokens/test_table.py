import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stages.pretokens.table import META, TABLE, read_meta, read_table, write_table
from stages.workdir import file_sha256

TABLES = st.dictionaries(st.binary(max_size=12), st.integers(1, 2**55), max_size=20)


@given(TABLES)
def test_a_table_is_read_as_it_was_written(counts: dict[bytes, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), counts, {})
        assert read_table(Path(folder)) == counts


@given(TABLES)
def test_pretokens_ascend(counts: dict[bytes, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder), counts, {})
        assert list(read_table(Path(folder))) == sorted(counts)


def test_insertion_order_does_not_change_the_bytes(tmp_path: Path) -> None:
    counts = {bytes([byte]): byte + 1 for byte in range(256)}
    for name, table in (("up", counts), ("down", dict(reversed(counts.items())))):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name, table, {"fact": 1})
    for name in (TABLE, META):
        assert (tmp_path / "up" / name).read_bytes() == (tmp_path / "down" / name).read_bytes()


def test_the_meta_holds_facts_totals_and_the_hash_of_the_table(tmp_path: Path) -> None:
    write_table(tmp_path, {b"abc": 2**40, b"d": 3}, {"pattern": "é"})
    assert read_meta(tmp_path) == {
        "pattern": "é",
        "pretokens": 2**40 + 3,
        "different_pretokens": 2,
        "bytes": 3 * 2**40 + 3,
        "sha256": file_sha256(tmp_path / TABLE),
    }
