"""status, verify, list, parts of the outputs, and the local folder as the remote."""

import pytest

from tests.tohum.commands.share.conftest import OBJECTS, Shared

pytestmark = pytest.mark.slow


def test_a_folder_needs_no_account(local: Shared) -> None:
    assert f"push would upload {OBJECTS} objects" in local.share("status")
    local.share("push")
    assert "Everything is on the remote already" in local.share("push")
    assert "push would upload 0 objects (0 bytes), pull would download 0" in local.share("status")
    assert "Compared by MD5: 9, by size: 0, by name alone: 0" in local.share("verify")
    assert "ok    list: 9 objects" in local.share("doctor")
    assert not local.drive.hosts


def test_a_pull_from_an_empty_folder_tells_where_it_is_and_of_setup(local: Shared) -> None:
    local.run("rm", "-rf", ".dvc/cache", "data", "models")
    said = local.share("pull", code=None)
    assert "the remote lacks files of " in said
    assert f"The remote is {local.root}/.share, a folder on this machine; `share setup`" in said


def test_a_damaged_object_is_found_and_replaced(local: Shared) -> None:
    local.share("push")
    victim = max((local.root / ".share").rglob("*"), key=lambda path: path.stat().st_size)
    for damaged in (b"damaged", bytes(victim.stat().st_size)):
        victim.chmod(0o644)
        victim.write_bytes(damaged)
        assert "damaged  models/lm/model.bin" in local.share("verify", code=1)
        assert "missing or damaged" in local.share("push")
        local.share("verify")


def test_a_part_is_shared_by_output_folder_or_stage(local: Shared) -> None:
    local.share("push", "models/lm")
    said = local.share("list")
    assert "models/lm     35.0 kB  1      all" in said
    assert "data/shards  120.0 kB  6      no" in said
    local.share("push", "data")
    assert "Everything is on the remote already" in local.share("push", "make")


def test_a_console_without_turkish_letters_shows_the_rest(local: Shared) -> None:
    said = local.share("push", "ödev/ığüş", code=1, PYTHONIOENCODING="ascii")
    assert "'\\xf6dev/\\u0131\\u011f\\xfc\\u015f' is not an output" in said


def test_an_unknown_target_is_told_with_those_there_are(local: Shared) -> None:
    said = local.share("push", "model", code=1)
    assert "There are: data/shards, models/lm" in said


def test_what_is_nowhere_is_told(local: Shared) -> None:
    local.run("rm", "-rf", ".dvc/cache", "models/lm")
    assert "are not here, and missing or damaged on the remote" in local.share("push", code=1)
    said = local.share("status")
    assert "2 objects are on neither side" in said
    assert "WARNING" not in said


def test_verify_downloads_no_object(pushed: Shared) -> None:
    before = pushed.drive.requests.total()
    assert f"Compared by MD5: {OBJECTS}" in pushed.share("verify")
    assert pushed.drive.requests.total() - before <= 8


def test_another_project_gets_and_imports_a_model(pushed: Shared) -> None:
    other = pushed.friend("other")
    other.run("rm", "-rf", ".git", ".dvc", "dvc.yaml", "dvc.lock", "make.py")
    other.run("git", "init", "--quiet")
    other.run("dvc", "init", "--quiet")
    local = str(pushed.root / ".dvc" / "config.local")
    other.run("dvc", "get", str(pushed.root), "models/lm", "--config", local)
    other.run("dvc", "import", str(pushed.root), "data/shards", "--config", local)
    got = {path.name: path.read_bytes() for path in other.root.glob("*/*.bin")}
    assert got == {name.split("/")[-1]: held for name, held in pushed.hashes().items()}
    assert other.run("dvc", "status") != ""
