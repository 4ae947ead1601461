import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.tiny import PROJECT
from tohum import workdir
from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, fresh, publish, write_json
from tohum.marks import read_mark, write_mark
from tohum.workdir import open_workdir, project_root, work_key


@dataclass
class Params:
    size: int


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_behind(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "table.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half")
        file.flush()
        raise error
    assert path.read_bytes() == b"old"
    assert files_below(tmp_path) == ["table.bin"]


def test_a_failed_first_write_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError), atomic_write(tmp_path / "new" / "table.bin") as file:
        file.write(b"half")
        raise ValueError
    assert files_below(tmp_path) == ["new"]


def test_a_file_being_written_is_not_yet_at_its_path(tmp_path: Path) -> None:
    path = tmp_path / "table.bin"
    with atomic_write(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert files_below(tmp_path) == ["table.bin"]


@pytest.mark.parametrize("sync", [True, False])
def test_only_what_a_power_cut_may_not_take_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with atomic_write(tmp_path / "a", sync=sync) as file:
        file.write(b"whole")
    write_mark(tmp_path / "mark.json", [tmp_path / "a"], {"of": "a"}, sync)
    assert read_mark(tmp_path / "mark.json") == {"of": "a"}
    assert len(synced) == 2 * sync


def test_text_is_utf_8_with_line_feeds(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt", "w") as file:
        file.write("ğ\n")
    assert (tmp_path / "a.txt").read_bytes() == "ğ\n".encode()


def test_json_keeps_the_order_of_keys_and_ends_with_a_line_feed(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"z": 1, "a": "ğ"})
    assert (tmp_path / "a.json").read_text("utf-8") == '{\n  "z": 1,\n  "a": "ğ"\n}\n'


def test_publish_replaces_what_is_there(tmp_path: Path) -> None:
    finished, out = tmp_path / "work" / "finished", tmp_path / "data" / "out"
    for folder, name in ((finished, "new"), (out, "old")):
        folder.mkdir(parents=True)
        (folder / name).write_text(name)
    publish(finished, out)
    assert files_below(out) == ["new"]
    assert not finished.exists()


def test_publish_copies_to_another_file_system(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    with TemporaryDirectory(dir=memory) as there:
        out = Path(there) / "data" / "raw"
        for name in ("old", "new"):
            finished = tmp_path / "finished"
            (finished / "deep").mkdir(parents=True)
            (finished / "deep" / name).write_text(name)
            publish(finished, out)
            assert files_below(out) == ["deep", f"deep/{name}"]
            assert not finished.exists()
        assert [path.name for path in out.parent.iterdir()] == ["raw"]


def test_publish_does_not_replace_a_mounted_file_system(tmp_path: Path) -> None:
    mounted = next(path for path in map(Path, ("/proc", "/")) if os.path.ismount(path))
    (tmp_path / "finished").mkdir()
    with pytest.raises(UserError, match=r"is where a file system is mounted.* what is done is"):
        publish(tmp_path / "finished", mounted)
    assert (tmp_path / "finished").is_dir()


def test_publish_makes_the_folders_above(tmp_path: Path) -> None:
    (tmp_path / "finished").mkdir()
    publish(tmp_path / "finished", tmp_path / "a" / "b" / "out")
    assert (tmp_path / "a" / "b" / "out").is_dir()


def test_fresh_empties_the_directory(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert files_below(fresh(tmp_path / "a")) == []
    assert (tmp_path / "a").is_dir()


def test_unfinished_work_is_kept_and_found_again(project: Path) -> None:
    with pytest.raises(RuntimeError), open_workdir("jsonl", "key") as work:
        (work / "half").write_text("so far")
        raise RuntimeError
    with open_workdir("jsonl", "key") as work:
        assert (work / "half").read_text() == "so far"


def test_finished_work_is_deleted(project: Path) -> None:
    with open_workdir("jsonl", "key") as work:
        (work / "half").write_text("so far")
        assert work == project / ".work" / "jsonl" / "key"
    assert not work.exists()


def test_another_key_has_another_directory(project: Path) -> None:
    with open_workdir("jsonl", "one") as one, open_workdir("jsonl", "two") as two:
        assert one != two
        assert one.is_dir(), "a directory that is held stays"


def test_the_newest_key_of_a_stage_is_kept_and_the_others_go(project: Path) -> None:
    for stage, key in (("train", "1"), ("jsonl", "1"), ("jsonl", "2"), ("jsonl", "3")):
        with pytest.raises(RuntimeError), open_workdir(stage, key) as work:
            (work / "half").write_text("so far")
            raise RuntimeError
    kept = [path for path in files_below(project / ".work") if path.endswith("half")]
    assert kept == ["jsonl/3/half", "train/1/half"]
    assert files_below(project / ".work" / "jsonl") == ["3", "3.lock", "3/half"]


def test_what_is_to_be_kept_is_found_again(project: Path) -> None:
    with open_workdir("merges", "key", keep=True) as work:
        (work / "list").write_text("whole")
    with open_workdir("merges", "key", keep=True) as work:
        assert (work / "list").read_text() == "whole"


def leave(key: str, content: str) -> None:
    """Leaves unfinished work of a stage that inherits."""
    with pytest.raises(RuntimeError), open_workdir("download", key, inherit="earlier") as work:
        (work / "half").write_text(content)
        raise RuntimeError


def test_work_of_other_keys_is_inherited_and_deleted_with_the_heir(project: Path) -> None:
    for key in ("one", "two", "one", "three"):
        leave(key, f"of {key}")
    with open_workdir("download", "four", inherit="earlier") as work:
        found = {path.parent.name: path.read_text() for path in work.glob("earlier/*/half")}
        assert found == {key: f"of {key}" for key in ("one", "two", "three")}
        assert [path.name for path in work.parent.iterdir() if path.is_dir()] == ["four"]
    assert not [path for path in (project / ".work").rglob("*") if path.suffix != ".lock"][1:]


HOLD = """
import sys
from tohum.workdir import open_workdir
with open_workdir("jsonl", "key"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_work_that_another_process_holds_is_refused_until_it_ends(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(workdir.__file__).parents[1])},
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(UserError) as caught, open_workdir("jsonl", "key", wait=0.2):
            pass
        with open_workdir("jsonl", "other"):
            assert (project / ".work" / "jsonl" / "key").is_dir(), "it is held"
        holder.stdin.close()
    assert "another process is running the stage 'jsonl'" in str(caught.value)
    assert "key.lock" in str(caught.value)
    assert "`dvc repro` again" in str(caught.value)
    assert holder.returncode == 0
    with open_workdir("jsonl", "key") as work:
        assert work.is_dir()


def test_a_temporary_experiment_works_in_the_parent_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = project / "parent"
    parent.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(parent))
    assert project_root() == parent
    with open_workdir("jsonl", "key") as work:
        assert work == parent / ".work" / "jsonl" / "key"
    assert not (project / ".work").exists()


def test_the_root_is_the_current_directory_without_dvc(project: Path) -> None:
    assert project_root() == project


def test_the_key_depends_on_stage_params_and_inputs(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    keys = [
        work_key("jsonl", [Params(1)], [one]),
        work_key("encode", [Params(1)], [one]),
        work_key("jsonl", [Params(2)], [one]),
        work_key("jsonl", [Params(1)], [other]),
        work_key("jsonl", [Params(1)], [one, other]),
        work_key("jsonl", [Params(1)], [other, one]),
        work_key("jsonl", [Params(1), Params(1)], [one]),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_depends_on_the_inputs_content_and_not_their_place(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).write_text("same")
    here, there = (work_key("jsonl", [Params(1)], [tmp_path / name]) for name in ("here", "there"))
    assert here == there


def test_the_key_depends_on_the_code_that_dvc_yaml_lists() -> None:
    keys = {stage: work_key(stage, [Params(1)], []) for stage in ("jsonl", "encode", "train")}
    assert len(set(keys.values())) == 3
    assert work_key("jsonl", [Params(1)], []) == keys["jsonl"]


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "abc") == expected


KILLED = """
import os, signal
from tohum.workdir import open_workdir

with open_workdir("train", "one") as work:
    (work / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_run_after_a_kill_says_that_the_memory_may_have_run_out(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
    assert killed.returncode == -9
    with open_workdir("train", "one") as work:
        assert (work / "half").exists()
    assert "the last run of the stage 'train' was killed" in caplog.text
    assert "`workers` in conf/runtime.yaml" in caplog.text


def test_the_run_after_one_that_ended_says_nothing(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError), open_workdir("train", "one"):
        raise ValueError
    with open_workdir("train", "two"):
        pass
    assert caplog.text == ""
    assert files_below(project / ".work" / "train") in ([], ["two.lock"])
