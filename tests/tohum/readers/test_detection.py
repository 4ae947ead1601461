from pathlib import Path

import pytest

from tests.tohum.readers.reading import write
from tohum.errors import UserError
from tohum.readers import detect, is_data_file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", True),
        ("A.JSONL.GZ", True),
        ("a.b.csv.zst", True),
        ("a.parquet", True),
        ("a.ndjson.xz", True),
        ("a.py", False),
        ("a.gz", False),
        ("csv", False),
        (".json", False),
        ("a.xlsx", True),
        ("a.zip", False),
    ],
)
def test_data_files_are_told_by_their_suffix(name: str, expected: bool) -> None:
    assert is_data_file(name) is expected


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.csv", b"PK\x03\x04\x00", r"Name a workbook \.xlsx or \.xls"),
        ("a.csv", b"\xd0\xcf\x11\xe0\x00", r"Name a workbook \.xlsx or \.xls"),
        ("a.zip", b"PK\x03\x04\x00", "unpack it first"),
        ("a.jsonl", b"", "is empty"),
        ("a.dat", b"anything", "not a known kind of data file"),
        ("a.csv", b"\xef\xbb\xbf", "is empty"),
    ],
)
def test_what_is_not_read_says_what_to_do(
    tmp_path: Path, name: str, content: bytes, advice: str
) -> None:
    with pytest.raises(UserError, match=advice):
        detect(write(tmp_path / name, content))


def test_a_file_without_a_known_suffix_is_told_by_its_content(tmp_path: Path) -> None:
    assert detect(write(tmp_path / "rows", '{"a": 1}\n{"a": 2}\n')).format == "jsonl"
    assert detect(write(tmp_path / "array.txt", '[{"a": 1}]')).format == "json"
