import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.formats.records import ShardWriter, read_records, shard_paths

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
RECORDS = st.lists(
    st.fixed_dictionaries({"content": TEXT, "id": TEXT, "license": st.none() | TEXT}), max_size=12
)
COMPRESSIONS = pytest.mark.parametrize("compression", ["none", "zstd"])


def write(
    folder: Path, records: list[dict[str, Any]], shard_bytes: int | None, compression: str = "none"
) -> ShardWriter:
    with ShardWriter(folder, shard_bytes, compression) as writer:
        for record in records:
            writer.write(record)
    return writer


def read(folder: Path) -> list[dict[str, Any]]:
    return [record for path in shard_paths(folder) for record in read_records(path)]


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"content": f"document {number} " + "x" * 50} for number in range(count)]


@settings(max_examples=40, deadline=None)
@given(
    RECORDS.filter(bool), st.sampled_from([1, 100, 1000, None]), st.sampled_from(["none", "zstd"])
)
def test_records_come_back_in_order(
    records: list[dict[str, Any]], shard_bytes: int | None, compression: str
) -> None:
    with TemporaryDirectory() as name:
        writer = write(Path(name), records, shard_bytes, compression)
        assert read(Path(name)) == records
        assert [path.name for path in shard_paths(Path(name))] == [
            shard.name for shard in writer.shards
        ]


@COMPRESSIONS
def test_the_facts_of_a_shard_are_true(tmp_path: Path, compression: str) -> None:
    writer = write(tmp_path, numbered(20), 300, compression)
    assert len(writer.shards) > 3
    for shard in writer.shards:
        path = tmp_path / shard.name
        assert shard.sha256 == file_sha256(path)
        assert shard.bytes == path.stat().st_size
        assert shard.documents == len(list(read_records(path)))
    assert sum(shard.documents for shard in writer.shards) == 20


@COMPRESSIONS
def test_equal_records_make_equal_shards(tmp_path: Path, compression: str) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        folder.mkdir()
    one, two = (write(folder, numbered(20), 300, compression).shards for folder in folders)
    assert one == two


def test_a_shard_stays_within_its_size(tmp_path: Path) -> None:
    writer = write(tmp_path, numbered(20), 300)
    assert all(shard.bytes <= 300 for shard in writer.shards)


def test_a_record_larger_than_a_shard_gets_its_own(tmp_path: Path) -> None:
    records = [{"content": "a"}, {"content": "x" * 500}, {"content": "b"}]
    writer = write(tmp_path, records, 100)
    assert [shard.documents for shard in writer.shards] == [1, 1, 1]
    assert read(tmp_path) == records


@pytest.mark.parametrize(
    ("compression", "name"), [("none", "corpus.jsonl"), ("zstd", "corpus.jsonl.zst")]
)
def test_without_a_shard_size_there_is_one_corpus(
    tmp_path: Path, compression: str, name: str
) -> None:
    write(tmp_path, numbered(100), None, compression)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert read(tmp_path) == numbered(100)


def test_a_zstd_shard_is_the_same_jsonl_inside(tmp_path: Path) -> None:
    records = [{"content": "ğ\u2028\n"}, {"content": ""}]
    for compression in ("none", "zstd"):
        write(tmp_path, records, None, compression)
    compressed = (tmp_path / "corpus.jsonl.zst").read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    assert plain == (tmp_path / "corpus.jsonl").read_bytes()
    assert plain.count(b"\n") == 2
    assert "ğ".encode() in plain


def test_shards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path, numbered(12), 1)
    assert [path.name for path in shard_paths(tmp_path)] == [
        f"part-{number:05d}.jsonl" for number in range(12)
    ]


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
