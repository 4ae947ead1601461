from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.jsonl.corpus_shards import Span, make_copier, planned_shards, write_whole
from tests.tiny import write_shards
from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.formats.records import read_records, shard_paths

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
RECORDS = st.lists(
    st.fixed_dictionaries({"content": TEXT, "id": TEXT, "license": st.none() | TEXT}), max_size=12
)
COMPRESSIONS = pytest.mark.parametrize("compression", ["none", "zstd"])


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
        shards = write_shards(Path(name), records, shard_bytes, compression)
        assert read(Path(name)) == records
        assert [path.name for path in shard_paths(Path(name))] == [shard.name for shard in shards]


@COMPRESSIONS
def test_the_facts_of_a_shard_are_true(tmp_path: Path, compression: str) -> None:
    shards = write_shards(tmp_path, numbered(20), 300, compression)
    assert len(shards) > 3
    for shard in shards:
        path = tmp_path / shard.name
        assert shard.sha256 == file_sha256(path)
        assert shard.bytes == path.stat().st_size
        assert shard.documents == len(list(read_records(path)))
    assert sum(shard.documents for shard in shards) == 20


@COMPRESSIONS
def test_equal_records_make_equal_shards(tmp_path: Path, compression: str) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    one, two = (write_shards(folder, numbered(20), 300, compression) for folder in folders)
    assert one == two


def test_a_shard_stays_within_its_size(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, numbered(20), 300)
    assert all(shard.bytes <= 300 for shard in shards)


def test_a_record_larger_than_a_shard_gets_its_own(tmp_path: Path) -> None:
    records = [{"content": "a"}, {"content": "x" * 500}, {"content": "b"}]
    shards = write_shards(tmp_path, records, 100)
    assert [shard.documents for shard in shards] == [1, 1, 1]
    assert read(tmp_path) == records


@pytest.mark.parametrize(
    ("compression", "name"), [("none", "corpus.jsonl"), ("zstd", "corpus.jsonl.zst")]
)
def test_without_a_shard_size_there_is_one_corpus(
    tmp_path: Path, compression: str, name: str
) -> None:
    write_shards(tmp_path, numbered(100), None, compression)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert read(tmp_path) == numbered(100)


def test_a_zstd_shard_is_the_same_jsonl_inside(tmp_path: Path) -> None:
    records = [{"content": "ğ\u2028\n"}, {"content": ""}]
    for compression in ("none", "zstd"):
        write_shards(tmp_path, records, None, compression)
    compressed = (tmp_path / "corpus.jsonl.zst").read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    assert plain == (tmp_path / "corpus.jsonl").read_bytes()
    assert plain.count(b"\n") == 2
    assert "ğ".encode() in plain


def test_shards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_shards(tmp_path, numbered(12), 1)
    assert [path.name for path in shard_paths(tmp_path)] == [
        f"part-{number:05d}.jsonl" for number in range(12)
    ]


def spans(path: Path, sizes: list[int], copy: int = 1) -> list[Span]:
    """Lines of some sizes that lie in a file one after another."""
    found, start = [], 0
    for size in sizes:
        found.append(Span(path, start, start + size, copy))
        start += size
    return found


def written(folder: Path, lines: list[Span]) -> bytes:
    """The only shard, whose lines a task copies, after seeing that the whole corpus is the same."""
    (plan,) = planned_shards(lines, 10**9, "none")
    make_copier(folder)(plan, int)
    part = (folder / plan.name).read_bytes()
    [whole] = write_whole(folder, iter(lines), "none", int)
    assert whole.documents == len(lines)
    assert (folder / whole.name).read_bytes() == part
    return part


def test_lines_that_follow_each_other_are_copied_as_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    lines = spans(one, [5, 6, 7])
    (plan,) = planned_shards([*lines, *spans(other, [3])], 100, "none")
    assert list(plan.spans()) == [Span(one, 0, 18), Span(other, 0, 3)]
    assert (plan.documents, plan.bytes) == (4, 21)
    (plan,) = planned_shards([lines[0], lines[2]], 100, "none")
    assert list(plan.spans()) == [lines[0], lines[2]], "between them lies a line that was dropped"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3)), min_size=1, max_size=30))
def test_a_shard_has_the_lines_of_several_sources_in_the_order_given(
    taken: list[tuple[str, int]],
) -> None:
    """Also where their files change in between, and where a copy goes over them again."""
    with TemporaryDirectory() as name:
        lines, expected = list[Span](), b""
        paths: dict[Path, Path] = {}  # as in a unit, whose lines all have the same one
        for number, (source, copy) in enumerate(taken):
            path = Path(name, source, f"{number // 4}.jsonl")
            path = paths.setdefault(path, path)
            path.parent.mkdir(exist_ok=True)
            line = b'{"content":"%s %d"}\n' % (source.encode(), number)
            start = path.stat().st_size if path.exists() else 0
            with path.open("ab") as file:
                file.write(line)
            lines.append(Span(path, start, start + len(line), copy))
            expected += line if copy == 1 else line[:-2] + b',"copy":%d}\n' % copy
        assert written(Path(name), lines) == expected
        assert sum(line.size for line in lines) == len(expected)


def test_a_finished_shard_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"{}\n")
    assert written(tmp_path, spans(tmp_path / "lines", [3])) == b"{}\n"
    part = tmp_path / "part-00000.jsonl"
    before = part.stat().st_mtime_ns
    written(tmp_path, spans(tmp_path / "lines", [3]))
    assert part.stat().st_mtime_ns == before
    part.write_bytes(b"[]\n")
    assert written(tmp_path, spans(tmp_path / "lines", [3])) == b"{}\n", "a damaged one is"


@pytest.mark.parametrize("copy", [1, 2])
def test_judged_lines_that_were_cut_short_are_named(tmp_path: Path, copy: int) -> None:
    (tmp_path / "lines").write_bytes(b"{}\n")
    with pytest.raises(UserError, match=r"lines was cut short .* Run `dvc repro` again"):
        written(tmp_path, spans(tmp_path / "lines", [3, 3], copy))
    assert not list(tmp_path.glob("*.jsonl"))


def test_no_lines_make_no_shard(tmp_path: Path) -> None:
    assert not list(planned_shards([], 100, "none"))
    assert not write_whole(tmp_path, iter(()), "none", int)
    assert not list(tmp_path.iterdir())


def test_the_bar_moves_by_the_bytes_of_json_however_a_shard_comes_about(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"{}\n" * 5)
    lines = spans(tmp_path / "lines", [3] * 5)
    for compression in ("none", "zstd"):
        moved: list[int] = []
        (plan,) = planned_shards(lines, 100, compression)
        for _ in ("written", "found written"):
            make_copier(tmp_path)(plan, moved.append)
        write_whole(tmp_path, iter(lines), compression, moved.append)
        assert sum(moved) == 3 * 15
