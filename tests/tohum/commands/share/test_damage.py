"""Damaged objects: on the remote, on the way, in the cache and among the outputs."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tohum.commands.share.conftest import OBJECTS, Shared

pytestmark = pytest.mark.slow


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    write(path, bytes(content))


def cut(path: Path) -> None:
    write(path, path.read_bytes()[:-7])


def zero(path: Path) -> None:
    write(path, bytes(path.stat().st_size))


def empty(path: Path) -> None:
    write(path, b"")


def write(path: Path, content: bytes) -> None:
    """Changes a file in place, so that its hard links change too, with its mode and time kept."""
    mode, status = path.stat().st_mode, path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def objects(folder: Path) -> dict[str, Path]:
    """The objects below `files/md5`, by their names."""
    found = [path for path in (folder / "files/md5").rglob("*") if path.is_file()]
    return {path.parent.name + path.name: path for path in found}


def object_of(folder: Path, kind: str) -> Path:
    """A shard's object, the model's, or the list of the shards."""
    sizes = {
        "shard": range(20_000, 20_001),
        "model": range(35_000, 35_001),
        "list": range(1, 10_000),
    }
    found = [path for path in objects(folder).values() if path.stat().st_size in sizes[kind]]
    return max(found, key=lambda path: (path.stat().st_size, path.name))


def assert_cache_is_right(project: Shared) -> None:
    for oid, path in objects(project.root / ".dvc/cache").items():
        assert hashlib.md5(path.read_bytes()).hexdigest() == oid.removesuffix(".dir")


def forget(project: Shared) -> None:
    """Makes it a clone into which nothing was pulled."""
    project.run("rm", "-rf", ".dvc/cache", ".dvc/tmp", "data", "models", "../project-home/site")


@pytest.mark.parametrize("verify", ["true", "false"])
@pytest.mark.parametrize(
    ("kind", "damage"),
    [("shard", flip), ("model", cut), ("model", zero), ("list", flip), ("list", empty)],
)
def test_a_damaged_object_of_a_folder_is_not_pulled(
    local: Shared,
    kind: str,
    damage: Callable[[Path], None],
    verify: str,
) -> None:
    local.run("dvc", "remote", "modify", "local", "verify", verify)
    local.share("push")
    expected, victim = local.hashes(), object_of(local.root / ".share", kind)
    right = victim.read_bytes()
    damage(victim)
    forget(local)
    said = local.share("pull", code=1)
    name = {"shard": "data/shards/part-", "model": "models/lm/model.bin", "list": "data/shards"}[
        kind
    ]
    assert f"{name}" in said and "came damaged" in said
    assert "It is damaged on the remote" in said
    assert_cache_is_right(local)
    assert not local.hashes(), "nothing is checked out"
    write(victim, right)
    local.share("pull")
    assert local.hashes() == expected
    assert "Data and pipelines are up to date" in local.run("dvc", "repro")


def test_dvc_itself_refuses_a_damaged_object_of_the_default_remote(local: Shared) -> None:
    local.run("dvc", "remote", "modify", "local", "verify", "true")  # as in .dvc/config
    local.share("push")
    flip(object_of(local.root / ".share", "shard"))
    forget(local)
    with pytest.raises(AssertionError, match="data/shards"):
        local.run("dvc", "pull")
    assert_cache_is_right(local)


@pytest.mark.parametrize("seen", [True, False], ids=["on the Drive", "on the way"])
def test_a_damaged_object_of_drive_is_not_pulled(pushed: Shared, seen: bool) -> None:
    (item,) = (item for item in pushed.drive.files.files() if item.size == 35_000)
    path = pushed.drive.files.folder / item.id
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.unlink()
    path.write_bytes(content)
    if seen:
        item.md5 = hashlib.md5(content).hexdigest()
    friend = pushed.friend()
    said = friend.share("pull", "--tries", "2", code=1)
    assert "models/lm/model.bin came damaged" in said
    assert ("trying again" in said) != seen
    assert_cache_is_right(friend)
    assert not friend.hashes()


OUTPUT = "data/shards/part-3.bin"


def test_what_is_here_and_right_is_told(local: Shared) -> None:
    said = local.share("verify", "--here")
    assert f"All {2 * (OBJECTS - 2) + 2} files here are right" in said
    local.run("rm", "-rf", "models/lm")
    assert "not here  models/lm" in local.share("verify", "--here")
    assert "--delete goes with --here" in local.share("verify", "--delete", code=1)


@pytest.mark.parametrize(
    ("link", "damage"),
    [("hardlink", flip), ("hardlink", cut), ("symlink", zero), ("copy", flip), ("copy", empty)],
)
def test_damage_here_is_named_and_replaced(
    local: Shared, link: str, damage: Callable[[Path], None]
) -> None:
    local.run("dvc", "config", "cache.type", link)
    local.run("dvc", "checkout", "--relink")
    local.share("push")
    expected = local.hashes()
    damage(local.root / OUTPUT)
    said = local.share("verify", "--here", "--delete", "data", code=1)
    assert f"damaged   {OUTPUT}" in said
    assert ("damaged   .dvc/cache/files/md5/" in said) == (link != "copy")
    assert "models" not in said
    assert not (local.root / OUTPUT).exists()
    assert_cache_is_right(local)
    local.share("pull")
    assert local.hashes() == expected
    local.share("verify", "--here")


def test_without_a_remote_the_stage_makes_it_again(local: Shared) -> None:
    expected = local.hashes()
    flip(local.root / OUTPUT)
    flip(object_of(local.root / ".dvc/cache", "model"))
    local.share("verify", "--here", "--delete", code=1)
    local.run("dvc", "repro")
    assert local.hashes() == expected
    local.share("verify", "--here")


@pytest.mark.parametrize("change", ["missing", "extra", "list", "other commit"])
def test_what_a_folder_lacks_or_has_too_much_is_named(local: Shared, change: str) -> None:
    cache = local.root / ".dvc/cache"
    if change == "missing":
        (local.root / OUTPUT).unlink()
        told = f"missing   {OUTPUT}"
    elif change == "extra":
        (local.root / "data/shards/part-9.bin").write_bytes(b"9")
        told = "extra     data/shards/part-9.bin"
    elif change == "list":
        damaged = object_of(cache, "list")
        flip(damaged)
        told = f"damaged   {damaged.relative_to(local.root)}"
    else:
        other = cache / "files/md5/ab" / ("c" * 30)
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b"not that")
        told = f"damaged   {other.relative_to(local.root)}"
    assert told in local.share("verify", "--here", code=1)


@pytest.mark.parametrize("there", [True, False])
def test_a_damaged_object_is_not_pushed(local: Shared, there: bool) -> None:
    if there:
        local.share("push")
        right = object_of(local.root / ".share", "model").read_bytes()
    cut(object_of(local.root / ".dvc/cache", "model"))
    said = local.share("push", code=1)
    assert "models/lm/model.bin" in said and "so nothing was uploaded" in said
    if there:
        assert object_of(local.root / ".share", "model").read_bytes() == right
    else:
        assert not (local.root / ".share").exists()


def test_a_push_from_where_it_is_not_says_that_an_object_of_drive_is_damaged(
    pushed: Shared,
) -> None:
    (model,) = (item for item in pushed.drive.files.files() if item.size == 35_000)
    model.md5 = "0" * 32
    friend = pushed.friend()
    friend.share("pull", "data")
    said = friend.share("push", code=1)
    assert "missing or damaged on the remote: models/lm" in said
