import json
from pathlib import Path

import pytest

from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.sources.files import FilesSource, copy_files


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("qa/tr.csv", "qa/deep/en.jsonl.gz", "qa/readme.md", "one.jsonl", "other/tr.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    return tmp_path


def copied(root: Path, *paths: str) -> dict[str, str]:
    """Copies and returns the SHA-256 of each file by name, having checked it."""
    out = root / "raw"
    out.mkdir(exist_ok=True)
    copy_files(FilesSource("files", list(paths), "CC0-1.0"), out)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        assert file_sha256(out / line["file"]) == line["sha256"]
        assert (out / line["file"]).stat().st_size == line["bytes"]
        assert line["license"] == "CC0-1.0"
    return {line["file"]: line["sha256"] for line in lines}


def test_a_file_a_folder_and_a_pattern(root: Path) -> None:
    assert list(copied(root, "one.jsonl")) == ["one.jsonl"]
    assert list(copied(root, "qa")) == ["deep/en.jsonl.gz", "tr.csv"]
    assert list(copied(root, str(root / "qa" / "**" / "*.gz"))) == ["deep/en.jsonl.gz"]
    assert list(copied(root, "q?/*.csv", "one.jsonl")) == ["one.jsonl", "qa/tr.csv"]


def test_the_copies_are_the_bytes_of_the_files(root: Path) -> None:
    assert copied(root, "qa/tr.csv")["tr.csv"] == file_sha256(root / "qa" / "tr.csv")


def test_a_file_named_twice_is_copied_once(root: Path) -> None:
    assert list(copied(root, "one.jsonl", "./one.jsonl", "*.jsonl")) == ["one.jsonl"]


def test_a_complete_copy_is_kept_and_another_one_replaced(root: Path) -> None:
    copied(root, "qa")
    kept, changed = root / "raw" / "tr.csv", root / "raw" / "deep" / "en.jsonl.gz"
    before = kept.stat().st_mtime_ns
    changed.write_bytes(b"x" * changed.stat().st_size)
    copied(root, "qa")
    assert kept.stat().st_mtime_ns == before
    assert changed.read_bytes() == (root / "qa" / "deep" / "en.jsonl.gz").read_bytes()


@pytest.mark.parametrize("pattern", ["none.csv", "qa/*.parquet", "qa/*.md"])
def test_a_pattern_without_a_data_file_is_refused(root: Path, pattern: str) -> None:
    with pytest.raises(UserError, match=r"names no data file .*tohum inspect"):
        copied(root, pattern)


def test_two_files_of_one_name_are_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"would both be named 'tr\.csv'"):
        copied(root, "qa", "other")


@pytest.mark.parametrize(
    "described",
    [
        "dataset_info.json",
        "dataset_infos.json",
        "dataset_dict.json",
        "train/state.json",
        "dataset-metadata.json",
        "datapackage.json",
        "_delta_log/00000000000000000000.json",
        "_delta_log/00000000000000000010.checkpoint.parquet",
    ],
)
def test_what_only_describes_a_dataset_is_left_out_of_its_folder_and_told(
    root: Path, described: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = root / "qa" / described
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")

    assert list(copied(root, "qa")) == ["deep/en.jsonl.gz", "tr.csv"]
    assert list(copied(root, "qa/**/*")) == ["deep/en.jsonl.gz", "tr.csv"]
    assert described in caplog.text
    assert list(copied(root, f"qa/{described}")) == [path.name]
