"""Readers hold no more than the longest row, and no reader is worse than linear in its input."""

import csv
import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.tohum.readers.reading import rows_of, write
from tohum.errors import UserError
from tohum.readers import Broken, FileFormat, ReadLimits, Row, detect, json_elements, read_blocks
from tohum.readers.compression import CHUNK_BYTES, read_chunks
from tohum.readers.json_elements import ElementFinder, UnfinishedError

MIB = 1 << 20
SMALL = ReadLimits(row=MIB)
PACKED: dict[str, Any] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.fixture(autouse=True)
def _field_limit() -> Iterator[None]:
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


LONG = b"x" * (3 * MIB)
# content, the numbers of all its rows and of the broken ones
CASES: dict[str, tuple[str, bytes, list[int], list[int]]] = {
    "a line": ("jsonl", b'{"a":1}\n{"a":"' + LONG + b'"}\n{"a":2}\n', [1, 2, 3], [2]),
    "the first line": ("jsonl", b'{"a":"' + LONG + b'"}\n{"a":2}\n', [1, 2], [1]),
    "the last line": ("jsonl", b'{"a":1}\n{"a":"' + LONG, [1, 2], [2]),
    "zeros": ("jsonl", b'{"a":1}\n' + bytes(3 * MIB) + b'\n{"a":2}', [1, 2, 3], [2]),
    "line feeds": (
        "jsonl", b'{"a":1}\n' + b"\n" * 3 * MIB + b'{"a":2}\n', [1, 3 * MIB + 2], []
    ),
    "line feeds in a table": (
        "csv", b"a,b\n1,2\n" + b"\n" * 3 * MIB + b"3,4\n", [2, 3 * MIB + 3], []
    ),
    "a field": ("csv", b'a,b\n1,2\nx,"' + LONG + b'"\n3,4\n', [2, 3, 4], [3]),
    "a field without quotes": ("tsv", b"a\tb\n1\t2\nx\t" + LONG + b"\n3\t4\n", [2, 3, 4], [3]),
    "a field of several lines": (
        "csv", b'a,b\n1,2\n"x\n' + LONG + b'",1\n3,4\n', [2, 3, 4, 5], [3, 4]
    ),
    "an element": ("json", b'[{"a":1},{"a":"' + LONG + b'"},{"a":2}]', [1, 2, 3], [2]),
    "an element of a list": ("json", b'{"data":[{"a":"' + LONG + b'"},{"a":2}]}', [1, 2], [1]),
    "a string": ("json", b'["' + LONG + b'",{"a":2}]', [1, 2], [1]),
    "one string in an object": ("json", b'{"a":"' + LONG + b'"}', [1], [1]),
    "space in an array": ("json", b'[{"a":1},' + b"\n" * 3 * MIB + b'{"a":2}]', [1, 2], []),
    "a number": ("json", b"[" + b"1" * 3 * MIB + b',{"a":2}]', [1, 2], [1]),
}  # fmt: skip


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("case", CASES)
def test_a_row_beyond_the_limit_is_told_and_those_around_it_are_read(
    tmp_path: Path, case: str, packed: str
) -> None:
    suffix, content, numbers, broken = CASES[case]
    path = write(tmp_path / f"a.{suffix}{packed}", PACKED[packed](content))
    rows = rows_of(path, limits=SMALL)

    assert [row.number for row in rows] == numbers
    assert [row.number for row in rows if isinstance(row, Broken)] == broken
    for row in rows:
        if isinstance(row, Broken) and case != "a field of several lines":
            assert "longest row" in row.reason and "jsonl.max_bytes" in row.reason


@pytest.mark.parametrize("case", CASES)
def test_memory_does_not_grow_with_what_a_file_unpacks_to(tmp_path: Path, case: str) -> None:
    suffix, content, _, _ = CASES[case]
    filler = b"\n" if b"\n\n" in content else LONG[:1]
    filler = b"\0" if b"\0" in content else filler
    path = tmp_path / f"a.{suffix}.zst"
    place = content.find(filler * 100) if filler * 100 in content else content.find(b"1" * 100)
    peaks = []
    for size in (8, 24):
        unit = content[place : place + 1] * MIB
        with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as out:
            out.write(content[:place])
            for _ in range(size):
                out.write(unit)
            out.write(content[place:].lstrip(unit[:1]))
        format = detect(path, encoding="utf-8", limits=SMALL)
        tracemalloc.start()
        for block in read_blocks(path, format):
            for _ in block.rows():
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + MIB


def test_no_chunk_is_larger_than_a_chunk_however_much_a_file_unpacks_to(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", zstandard.compress(bytes(50 * MIB)))

    assert path.stat().st_size < 10_000
    assert max(map(len, read_chunks(path, "zstd"))) <= CHUNK_BYTES


class CountedPattern:
    """A regular expression that counts how many bytes it matched."""

    read = 0

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern

    def match(self, chunk: bytes, place: int) -> Any:
        found = self.pattern.match(chunk, place)
        CountedPattern.read += 1 + (found.end() - place if found else 0)
        return found


MALFORMED = {
    "cut in a string with escaped quotes": b'[{"a": "' + b'\\"' * 5000,
    "cut in a string after a backslash": b'[{"a": "' + b"\\" * 9999,
    "quotes": b"[" + b'"' * 9999,
    "opening brackets": b"[" * 10_000,
    "opening and closing brackets": b"[{" + b"}{" * 5000,
    "closing brackets": b"[" + b"]" * 10_000,
    "closing brackets of objects": b"[" + b"}]" * 5000,
    "spaces": b"[" + b" " * 10_000,
    "commas": b"[" + b"," * 10_000,
    "colons": b'{"a"' + b":" * 10_000,
    "zeros": b"[" + bytes(10_000),
    "byte order marks": b"[" + b"\xef\xbb\xbf" * 3000,
    "halves of a mark": b"[" + b"\xef" * 9999,
    "numbers": b"[" + b"1 " * 5000,
    "lone surrogates": b'["' + b"\\ud800" * 2000,
}


@pytest.mark.parametrize("chunk", [7, 1000, 1 << 20])
@pytest.mark.parametrize("case", MALFORMED)
def test_the_work_for_malformed_json_is_proportional_to_its_size(
    monkeypatch: pytest.MonkeyPatch, case: str, chunk: int
) -> None:
    for name in ("INSIDE", "STRING", "BETWEEN", "SCALAR", "TOP_SCALAR", "OPENINGS"):
        monkeypatch.setattr(json_elements, name, CountedPattern(getattr(json_elements, name)))
    work = []
    for times in (1, 2, 4):
        text = MALFORMED[case][:8] + MALFORMED[case][8:] * times
        CountedPattern.read = 0
        try:
            chunks = [text[start : start + chunk] for start in range(0, len(text), chunk)]
            list(ElementFinder().find(chunks))
        except UnfinishedError:
            pass
        work.append(CountedPattern.read / len(text))
    assert max(work) < 6


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("suffix", ["json", "json.gz", "jsonl", "csv", "tsv"])
def test_malformed_text_ends_in_rows_or_an_error_that_names_the_file(
    tmp_path: Path, case: str, suffix: str
) -> None:
    content = MALFORMED[case]
    packed = gzip.compress(content) if suffix.endswith("gz") else content
    path = write(tmp_path / f"a.{suffix}", packed)
    try:
        assert all(row.number for row in rows_of(path))
    except UserError as error:
        assert "a." in str(error)


def test_a_row_nested_100_000_deep_is_broken_and_its_neighbours_are_read(tmp_path: Path) -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    lines = b'{"a":1}\n' + deep + b'\n{"a":2}\n'
    array = b'[{"a":1},' + deep + b',{"a":2}]'

    for path in (write(tmp_path / "a.jsonl", lines), write(tmp_path / "a.json", array)):
        rows = rows_of(path)
        assert [row.number for row in rows if isinstance(row, Row)] == [1, 3]
        assert rows[1] == Broken(2, "not JSON: its lists and objects are nested too deeply")


def test_broken_rows_do_not_collect_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"a,b\n" + b"1\n" * 140_000)
    format = FileFormat("csv", None, "utf-8", ",")

    assert len(list(read_blocks(path, format))) > 1


def test_a_header_of_many_columns_takes_linear_time(tmp_path: Path) -> None:
    """A list instead of a table of the names takes minutes for this."""
    path = write(tmp_path / "a.csv", b",".join([b""] * 100_000) + b",text\n" + b"," * 100_000)

    assert rows_of(path, delimiter=",", encoding="utf-8") == []


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_a_row_that_is_hardly_more_than_commas_is_broken_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("tohum.fields.dense_json.MOST_VALUES", 1000)
    monkeypatch.setattr("tohum.readers.lines.MOST_VALUES", 1000)
    dense = b'{"text": "a", "x": [' + b"{}," * 2000 + b"{}]}"
    code = b'{"text": "' + b"f(a, b)[0] of a text that is long; " * 2000 + b'"}'
    rows = [b'{"text": "first"}', dense, code]
    joined = b"\n".join(rows) if suffix == "jsonl" else b"[" + b",".join(rows) + b"]"
    path = write(tmp_path / f"a.{suffix}", joined)
    found = [row for block in read_blocks(path, detect(path)) for row in block.rows()]
    assert [row.number for row in found if isinstance(row, Row)] == [1, 3]
    assert [row.number for row in found if isinstance(row, Broken)] == [2]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["a line", "line feeds", "a field", "a string"])
def test_300_mb_in_10_kb_are_read_with_the_memory_of_one_row(tmp_path: Path, case: str) -> None:
    suffix, content, numbers, _ = CASES[case]
    path = tmp_path / f"a.{suffix}.zst"
    filler = b"\n" if case == "line feeds" else b"x"
    place = content.find(filler * 100)
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as out:
        out.write(content[:place])
        for _ in range(300):
            out.write(filler * MIB)
        out.write(content[place:].lstrip(filler))
    code = (
        "import sys; from pathlib import Path; from tohum.readers import *\n"
        "from benchmarks.memory import peak_megabytes\n"
        "path = Path(sys.argv[1])\n"
        "rows = sum(1 for block in read_blocks(path, detect(path)) for _ in block.rows())\n"
        "print(rows, peak_megabytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    rows, peak = map(float, done.stdout.split())
    assert rows == len(numbers)
    assert peak < 350
