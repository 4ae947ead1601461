import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tohum.readers.reading import rows_of, values_of, write
from tohum.errors import UserError
from tohum.fields import compile_fields
from tohum.readers import Row

MARKS = [b'"', b"\n", b"\r\n", b",", b";", b"\t", b"{", b"}", b"[", b"]", b"\\", b"\x00", b" "]
TEXTS = [b'{"soru": "a", "cevap": "b"}', b"soru;cevap", b'"text"', b'[{"text": ', b'"data": [']
ODDITIES = [b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"\\ud800", b"NaN", b"\xc4\x9f"]
PIECES = st.sampled_from([*MARKS, *TEXTS, *ODDITIES])
CONTENT = st.lists(PIECES, min_size=1, max_size=12).map(b"".join)


@given(CONTENT, st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_rows_or_broken_or_an_error_with_advice(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    fields = compile_fields({}, "jsonl.fields")
    packed = gzip.compress(content) if suffix.endswith("gz") else content
    try:
        rows = rows_of(write(tmp_path / f"a.{suffix}", packed))
        numbers = [row.number for row in rows]
        assert numbers == sorted(set(numbers))
        for row in rows:
            for mapped in fields.records(row.values) if isinstance(row, Row) else []:
                set_ = [mapped.content, mapped.messages, mapped.problem]
                assert sum(one is not None for one in set_) == 1
    except UserError as error:
        assert str(error)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16"])
def test_utf_16_that_is_named_may_lack_its_mark(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.csv", "soru;cevap\nağaç;yeşil\n", "utf-16-le")

    assert values_of(path, encoding=encoding) == [{"soru": "ağaç", "cevap": "yeşil"}]
