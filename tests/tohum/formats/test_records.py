import json
from pathlib import Path

import pytest
import zstandard

from tohum.errors import UserError
from tohum.formats.records import read_records, shard_paths

COMPRESSIONS = pytest.mark.parametrize("compression", ["none", "zstd"])


def test_a_folder_without_shards_is_refused_with_the_command_that_makes_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "dropped.jsonl").touch()
    with pytest.raises(UserError) as caught:
        shard_paths(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "`dvc repro jsonl`" in str(caught.value)


@COMPRESSIONS
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"content": "cut of', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"", "not JSON"),
        (b'["content"]', "expected an object with a string 'content'"),
        (b'{"content": 3}', "expected an object with a string 'content'"),
        (b'{"text": "a"}', "expected an object with a string 'content'"),
    ],
)
def test_a_broken_line_is_refused_by_file_and_number(
    tmp_path: Path, compression: str, line: bytes, told: str
) -> None:
    good = json.dumps({"content": "good"}).encode()
    content = b"\n".join([good, good, line, good]) + b"\n"
    path = tmp_path / ("part-00000.jsonl" + (".zst" if compression == "zstd" else ""))
    path.write_bytes(zstandard.compress(content) if compression == "zstd" else content)
    records = read_records(path)
    assert [next(records), next(records)] == [{"content": "good"}] * 2
    with pytest.raises(UserError) as caught:
        next(records)
    assert f"{path}, line 3: " in str(caught.value)
    assert told in str(caught.value)
