from pathlib import Path

import pytest

from tohum.dvc_lock import (
    read_stages,
    remove_if_cut_off,
    remove_readers_and_writers_if_cut_off,
)

STAGES = "".join(
    f"  {name}:\n    cmd: python -m stages.{name}\n    outs:\n    - path: data/{name}\n"
    f"      md5: {number:032}.dir\n"
    for number, name in enumerate(("download", "jsonl", "train"))
)
WHOLE = f"schema: '2.0'\nstages:\n{STAGES}"


def test_a_whole_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(WHOLE)
    remove_if_cut_off(path)
    stages = read_stages(path)
    assert stages is not None
    assert list(stages) == ["download", "jsonl", "train"]


def test_a_file_cut_off_anywhere_in_a_line_goes(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    ends = [end for end in range(len(WHOLE)) if not WHOLE[:end].endswith("\n")]
    for end in ends:
        path.write_text(WHOLE[:end])
        remove_if_cut_off(path)
        assert not path.exists(), WHOLE[:end]


@pytest.mark.parametrize("content", [b"", b"\n", b"\0" * 4096, b"schema: '2.0'\n", b"\xff\xfe\n"])
def test_a_file_that_a_kill_or_a_power_cut_left_goes(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dvc.lock"
    path.write_bytes(content)
    assert read_stages(path) is None
    remove_if_cut_off(path)
    assert not path.exists()
    assert "restores the results from its cache" in caplog.text


def test_a_conflict_stays_for_its_owner_to_solve(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text(f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> theirs\n")
    remove_if_cut_off(path)
    assert path.exists()
    assert read_stages(path) is None


def test_no_file_is_no_fault(tmp_path: Path) -> None:
    remove_if_cut_off(tmp_path / "dvc.lock")
    assert read_stages(tmp_path / "dvc.lock") is None


@pytest.mark.parametrize("content", ["", "{", '{"read": {}, "wri', "\0" * 64])
def test_readers_and_writers_that_a_kill_left_go(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rwlock"
    path.write_text(content)
    remove_readers_and_writers_if_cut_off(path)
    assert not path.exists()
    assert "rwlock was cut off as DVC wrote it" in caplog.text


def test_whole_readers_and_writers_stay(tmp_path: Path) -> None:
    path = tmp_path / "rwlock"
    remove_readers_and_writers_if_cut_off(path)
    path.write_text('{"read": {}, "write": {}}')
    remove_readers_and_writers_if_cut_off(path)
    assert path.read_text() == '{"read": {}, "write": {}}'
