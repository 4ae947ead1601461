import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.sources.files import FilesSource, copy_files, ignores_case

NOBODY = 65534


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


def test_what_excel_leaves_beside_an_open_workbook_is_no_data(root: Path) -> None:
    (root / "qa" / "~$sorular.xlsx").write_bytes(b"\x03ali" + 161 * b" ")
    (root / "qa" / ".~lock.tr.csv#").write_text(",ali,laptop,27.11.2026 10:00,;")
    assert list(copied(root, "qa")) == ["deep/en.jsonl.gz", "tr.csv"]
    with pytest.raises(UserError, match="names no data file"):
        copied(root, "qa/~*")


@pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")
def test_a_file_that_may_not_be_read_may_be_open_in_another_program() -> None:
    with unprivileged() as folder:
        (folder / "a.csv").write_text("a,b\n")
        (folder / "a.csv").chmod(0)
        with pytest.raises(UserError, match=r"open in another program, such as Excel, close it"):
            copied(folder, str(folder / "a.csv"))


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of this process, which has no rights that another user would not have."""
    with TemporaryDirectory() as name:
        user = os.geteuid()
        if user == 0:
            os.chown(name, NOBODY, -1)
            os.seteuid(NOBODY)
        try:
            yield Path(name).resolve()
        finally:
            os.seteuid(user)


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


POSIX = pytest.mark.skipif(sys.platform != "linux", reason="names and links of Linux")


@POSIX
def test_links_that_lead_up_the_tree_are_followed_once(root: Path) -> None:
    for name in ("one", "two"):
        (root / "qa" / name).symlink_to(root / "qa")
        (root / "qa" / "deep" / name).symlink_to(root / "qa")
    expected = ["deep/en.jsonl.gz", "tr.csv"]
    assert list(copied(root, "qa")) == expected
    assert list(copied(root, "qa/**/*.*")) == expected


@POSIX
def test_a_link_to_a_file_or_to_a_folder_elsewhere_is_followed(root: Path) -> None:
    (root / "set").mkdir()
    (root / "set" / "b.csv").symlink_to(root / "qa" / "tr.csv")
    (root / "set" / "more").symlink_to(root / "other")
    (root / "set" / "again").symlink_to(root / "other")
    assert list(copied(root, "set")) == ["again/tr.csv", "b.csv"]


@POSIX
def test_a_link_to_nothing_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "qa" / "lost.csv").symlink_to(root / "gone.csv")
    assert "lost.csv" not in copied(root, "qa")
    assert "left out: unreadable (No such file or directory)" in caplog.text
    facts = json.loads((root / "raw" / "source.json").read_text())
    assert sum(facts["left_out"].values()) == 1


@pytest.mark.parametrize("name", ["manifest.jsonl", "source.json", "dropped.jsonl", "Source.JSON"])
def test_a_file_named_like_one_of_ours_is_kept_beside_it(root: Path, name: str) -> None:
    (root / "qa" / name).write_bytes(b'{"text": "a"}')
    assert f"data/{name}" in copied(root, "qa")


@POSIX
def test_a_name_that_is_not_utf_8_is_written_with_its_bytes(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root / "qa") + b"/caf\xe9.csv")).write_bytes(b"a,b")
    assert "caf%E9.csv" in copied(root, "qa")


@POSIX
@pytest.mark.parametrize(
    "name", ["-a.csv", "a\nb.csv", " .csv", "e\u0301.csv", "x" * 251 + ".csv", "[a].csv", "a*.csv"]
)
def test_any_other_name_is_kept(root: Path, name: str) -> None:
    (root / "odd [1]").mkdir()
    (root / "odd [1]" / name).write_bytes(b"a,b")
    assert list(copied(root, "odd [1]")) == [name]
    assert list(copied(root, f"odd [1]/{name}")) == [name]


@POSIX
def test_names_that_differ_in_case_or_composition_are_different_files(root: Path) -> None:
    (root / "two").mkdir()
    names = {"A.csv", "a.csv", "\u00e9.csv", "e\u0301.csv"}
    for name in names:
        (root / "two" / name).write_text(name)
    assert copied(root, "two").keys() == names


@POSIX
@pytest.mark.parametrize("names", [("A.csv", "a.csv"), ("\u00e9.csv", "e\u0301.csv")])
def test_names_that_are_one_on_this_file_system_are_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    monkeypatch.setattr("tohum.sources.files.ignores_case", lambda folder: True)
    (root / "two").mkdir()
    for name in names:
        (root / "two" / name).write_text(name)
    with pytest.raises(UserError, match=r"would both be named '.*csv'\. Give them different"):
        copied(root, "two")
    assert list(copied(root, f"two/{names[0]}", f"two/{names[0]}")) == [names[0]]


def test_a_file_system_that_tells_case_apart_is_recognised(root: Path) -> None:
    (root / "Case").mkdir()
    assert ignores_case(root) == (root / "cASE").exists()
    assert sorted(path.name for path in root.iterdir()) == ["Case", "one.jsonl", "other", "qa"]


def test_a_file_named_like_the_folder_of_another_is_refused(root: Path) -> None:
    (root / "x.csv").write_text("a")
    (root / "odd" / "x.csv").mkdir(parents=True)
    (root / "odd" / "x.csv" / "y.csv").write_text("a")
    with pytest.raises(UserError, match="is the folder of"):
        copied(root, "x.csv", "odd")


@pytest.mark.parametrize("path", ["", " ", "a\0b", "~no_such_user_here/a.csv", "x/" * 3000])
def test_what_can_be_no_path_is_refused(root: Path, path: str) -> None:
    with pytest.raises(UserError, match=r"source\.paths"):
        copied(root, path)


def test_what_an_earlier_try_copied_under_another_name_is_deleted(root: Path) -> None:
    copied(root, "qa")
    (root / "qa" / "tr.csv").rename(root / "qa" / "en.csv")
    copied(root, "qa")
    assert not (root / "raw" / "tr.csv").exists()
