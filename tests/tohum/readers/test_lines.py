import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tohum.readers.reading import blocks_of, broken_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import BLOCK_BYTES, Broken, Row

COMPRESSORS: dict[str, Any] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}
VALUES = st.dictionaries(st.text(max_size=5), st.none() | st.text() | st.integers(0, 9), max_size=3)
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


@given(st.lists(VALUES, min_size=1))
@shared_folder
def test_every_line_is_a_row_with_its_number(tmp_path: Path, values: list[dict[str, Any]]) -> None:
    rows = rows_of(write(tmp_path / "a.jsonl", jsonl(values)))

    assert rows == [Row(number, row) for number, row in enumerate(values, 1)]


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_compressed_lines_are_the_same_rows(tmp_path: Path, suffix: str) -> None:
    content = jsonl([{"n": n, "text": "ışık" * 10} for n in range(1000)])
    plain = rows_of(write(tmp_path / "a.jsonl", content))
    packed = COMPRESSORS[suffix]

    assert rows_of(write(tmp_path / f"a.jsonl{suffix}", packed(content))) == plain
    in_two = packed(content[:1000]) + packed(content[1000:])
    assert rows_of(write(tmp_path / f"b.jsonl{suffix}", in_two)) == plain
    assert rows_of(write(tmp_path / "misnamed.jsonl", packed(content))) == plain


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_that_is_cut_off_is_an_error_that_names_it(
    tmp_path: Path, suffix: str
) -> None:
    content = COMPRESSORS[suffix](jsonl([{"n": n * 7919} for n in range(1000)]))
    path = write(tmp_path / f"a.jsonl{suffix}", content[: len(content) // 2])

    with pytest.raises(UserError, match=f"a.jsonl{suffix} .*Fetch it again"):
        rows_of(path)


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_damaged_compressed_data_is_an_error(tmp_path: Path, suffix: str) -> None:
    content = bytearray(COMPRESSORS[suffix](jsonl([{"n": n * 7919} for n in range(1000)])))
    content[len(content) // 2 : len(content) // 2 + 8] = b"\xff" * 8

    with pytest.raises(UserError, match="Fetch it again"):
        rows_of(write(tmp_path / f"a.jsonl{suffix}", bytes(content)))


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b'"text"',
        b"7",
        b'{"a": 1',
        b'{"a": 1} {"a": 2}',
        b'{"a": "\xe7"}',
        b'{"a": "\\ud83d"}',
        b'{"a": "\x00"}',
        b"\x00\x00\x00",
        b"{'a': 1}",
    ],
)
@pytest.mark.parametrize("place", [0, 777, 1999])
def test_a_broken_line_is_told_by_its_number_and_no_other_row_is_lost(
    tmp_path: Path, line: bytes, place: int
) -> None:
    lines = [b'{"a": "\xc3\xa7"}'] * 2000
    lines[place] = line
    rows = rows_of(write(tmp_path / "a.jsonl", b"\n".join(lines)))

    assert [row.number for row in rows] == list(range(1, 2001))
    assert [row.number for row in rows if isinstance(row, Broken)] == [place + 1]


def test_the_reason_of_an_undecodable_line_has_the_place_of_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"a": "\xc3\xa7"}\n' * 20 + b'{"a": "\xe7"}\n')

    assert broken_of(path) == [Broken(21, "byte 8 (0xE7) is not utf-8")]


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'\n{"a":1}\r\n\r\n  \n{"a":2}')

    assert rows_of(path) == [Row(2, {"a": 1}), Row(5, {"a": 2})]


def test_nan_is_null_and_the_last_of_equal_keys_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"a": NaN, "b": [-Infinity]}\n{"a": 1, "a": 2}\n')

    assert values_of(path) == [{"a": None, "b": [None]}, {"a": 2}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1254"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_encoding_gives_the_same_rows(tmp_path: Path, encoding: str, suffix: str) -> None:
    lines = '{"soru": "Işığı kim söndürdü?"}\n{"soru": "Şimdi değil"}\n'.encode(encoding)
    path = write(tmp_path / f"a.jsonl{suffix}", gzip.compress(lines) if suffix else lines)

    assert values_of(path) == [{"soru": "Işığı kim söndürdü?"}, {"soru": "Şimdi değil"}]


def test_half_a_character_at_the_end_of_utf_16_breaks_the_last_line_only(tmp_path: Path) -> None:
    lines = '{"a": "ğ"}\n{"a": "ş"}'.encode("utf-16")[:-1]
    rows = rows_of(write(tmp_path / "a.jsonl", lines))

    assert rows[0] == Row(1, {"a": "ğ"})
    assert [row.number for row in rows[1:] if isinstance(row, Broken)] == [2]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_blocks_follow_each_other_without_a_gap(tmp_path: Path, suffix: str) -> None:
    values = [{"n": n, "text": "x" * (n % 1000)} for n in range(40_000)]
    content = jsonl(values)
    path = write(tmp_path / f"a.jsonl{suffix}", gzip.compress(content, 1) if suffix else content)
    blocks = blocks_of(path)

    assert 2 <= len(blocks) <= len(content) // BLOCK_BYTES + 2
    for block in blocks:
        assert next(iter(block.rows())).number == block.number
    rows = [row for block in blocks for row in block.rows()]
    assert rows == [Row(number, row) for number, row in enumerate(values, 1)]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_row_of_100_mb_is_one_row_and_its_neighbours_are_kept(
    tmp_path: Path, suffix: str
) -> None:
    long = b'{"text": "' + b"a" * 100_000_000 + b'"}\n'
    content = b'{"text": "first"}\n' + long + b'{"text": "last"}\n'
    path = write(tmp_path / f"a.jsonl{suffix}", gzip.compress(content, 1) if suffix else content)
    rows = rows_of(path)

    lengths = [len(row.values["text"]) for row in rows if isinstance(row, Row)]
    assert [row.number for row in rows] == [1, 2, 3]
    assert lengths == [5, 100_000_000, 4]
