import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.tiny import configuration
from tohum.commands.estimate.source_samples import sample_of, size_of_source, write_sample
from tohum.errors import UserError
from tohum.sources.config import read_source

ROWS = [{"content": f"line {number} " + "x" * 80} for number in range(4000)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def rows_of(path: Path) -> list[int]:
    """The numbers of the rows in a JSONL file."""
    lines = path.read_text().splitlines()
    return [int(json.loads(line)["content"].split()[1]) for line in lines]


def test_lines_are_whole_in_order_and_from_everywhere(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(LINES)
    write_sample(tmp_path / "all.jsonl", tmp_path / "some.jsonl", 0.1)
    numbers = rows_of(tmp_path / "some.jsonl")
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0 and numbers[-1] > 3900
    assert 0.08 < len(numbers) / 4000 < 0.2


def test_a_share_of_one_is_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(LINES)
    write_sample(tmp_path / "all.jsonl", tmp_path / "some.jsonl", 1.0)
    assert (tmp_path / "some.jsonl").read_text() == LINES


def test_a_compressed_file_stays_compressed(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    write_sample(tmp_path / "all.jsonl.gz", tmp_path / "some.jsonl.gz", 0.2)
    text = gzip.decompress((tmp_path / "some.jsonl.gz").read_bytes()).decode()
    assert LINES.startswith(text) and text.endswith("\n")


def test_parquet_keeps_its_columns(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "all.parquet")
    write_sample(tmp_path / "all.parquet", tmp_path / "some.parquet", 0.25)
    taken = pyarrow.parquet.read_table(tmp_path / "some.parquet")
    assert taken.num_rows == 1000
    assert taken.column_names == ["content"]


def test_the_size_of_files_is_theirs(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text(LINES)
    source = read_source({"kind": "files", "paths": [str(tmp_path)], "license": None})
    size = size_of_source(source)
    assert (size.bytes, size.files, size.requests) == (len(LINES), 1, 0)
    sample = sample_of(source, len(LINES) // 5, tmp_path / "sample")
    assert sample.share == pytest.approx(0.2, abs=0.1)


def test_a_folder_is_sized_without_what_is_left_out(tmp_path: Path) -> None:
    code = tmp_path / "code"
    for number in range(20):
        (code / str(number)).mkdir(parents=True)
        (code / str(number) / "a.py").write_text(f"x = {number:04}\n" * 100)
        (code / str(number) / "a.bin").write_bytes(bytes(1000))
    (code / ".gitignore").write_text("/3/\n")
    source = read_source(configuration("source=local", f"source.path={code}")["source"])
    size = size_of_source(source)
    assert (size.files, size.bytes) == (19, 19 * 900)
    sample = sample_of(source, size.bytes // 4, tmp_path / "sample")
    assert sample.share == pytest.approx(0.25, abs=0.05)
    assert len(list((tmp_path / "sample").rglob("*.py"))) == 5


def test_paths_of_the_project_are_read_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "all.jsonl").write_text(LINES)
    (tmp_path / "own" / "a.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    files = read_source({"kind": "files", "paths": ["own/*.jsonl"], "license": None})
    code = read_source(configuration("source=local", "source.path=own")["source"])
    samples = [sample_of(source, 10**9, tmp_path / "sample") for source in (files, code)]
    assert [sample.share for sample in samples] == [1.0, 1.0]
    assert samples[0].values["paths"] == [str(tmp_path / "own" / "*.jsonl")]
    assert samples[1].values["path"] == str(tmp_path / "own")


def test_a_mix_is_sampled_in_proportion(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(LINES * 9)
    (tmp_path / "two.jsonl").write_text(LINES)
    sources = {
        name: {"kind": "files", "paths": [str(tmp_path / f"{name}.jsonl")], "license": None}
        for name in ("one", "two")
    }
    mix = read_source({"kind": "mix", "sources": sources})
    sample = sample_of(mix, len(LINES) * 5, tmp_path / "sample")
    assert sample.size.bytes == 10 * len(LINES)
    assert sample.share == pytest.approx(0.5, abs=0.1)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = read_source({"kind": "files", "paths": [str(tmp_path / "none.csv")], "license": None})
    with pytest.raises(UserError, match=r"none\.csv"):
        size_of_source(source)
