"""Writes files and folders that appear complete or not at all."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tohum.errors import UserError

MOST_NAME_BYTES = 255  # of a file, on every system
WRITER = "TOHUM_WRITER"  # of the environment: a process beside which others may write the same file
SYNC = "TOHUM_SYNC"  # of the environment: whether all files must survive the crash of this machine
BLOCK_BYTES = 1 << 20


def file_sha256(path: Path, size: int | None = None) -> str:
    """Returns the SHA-256 of a file's bytes, or of its first `size`, in hex."""
    with path.open("rb") as file:
        if size is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        while size and (block := file.read(min(size, BLOCK_BYTES))):
            digest.update(block)
            size -= len(block)
        return digest.hexdigest()


def fresh(path: Path) -> Path:
    """Returns `path` as an empty directory."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


def partial_path(path: Path) -> Path:
    """Returns where a file is written before it is renamed to `path`: on a cluster, where a node
    that was given up may still be at work, each process has a place of its own.
    """
    name = f"{path.name}{os.environ.get(WRITER, '')}.partial"
    if len(os.fsencode(name)) > MOST_NAME_BYTES:
        name = f"{hashlib.sha256(os.fsencode(name)).hexdigest()}.partial"
    return path.with_name(name)


@contextmanager
def atomic_write(path: Path, mode: str = "wb", sync: bool = True) -> Iterator[IO[Any]]:
    """Opens a file that appears at `path` complete, or not at all.

    Args:
        sync: whether it must survive a power cut right after. A file whose hash is in a mark need
            not: a later run notices that it is lost. On a cluster of several machines every file
            must: others read it in the same run after the one that wrote it has crashed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    try:
        with partial.open(mode, encoding=encoding, newline=newline) as file:
            yield file
            if sync or SYNC in os.environ:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yields an empty folder that appears at `path`, instead of what is there, or not at all."""
    partial = fresh(partial_path(path))
    try:
        yield partial
        publish(partial, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise  # else another process has put the same there in this moment
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: Path, value: Any, sync: bool = True) -> None:
    """Writes `value` as indented JSON with its keys in the order given."""
    with atomic_write(path, "w", sync) as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def publish(finished: Path, out: Path) -> None:
    """Renames a finished directory to a stage's declared output, or copies it to another file
    system.

    What is there is first moved next to `finished`, and deleted last, so that a kill at any moment
    leaves one of the two whole.

    Raises:
        UserError: `out` is where a file system is mounted, so that nothing can replace it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(out):  # Path.is_mount fails on Windows before Python 3.12
        raise UserError(
            f"{out} is where a file system is mounted, so this stage can't replace it. Mount it "
            f"one folder higher, or let {out} be a folder, and run `dvc repro` again: what is done "
            "is kept."
        )
    try:
        _replace(finished, out)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = partial_path(out)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(finished, copy)
        _replace(copy, out)
        shutil.rmtree(finished)


def _replace(finished: Path, out: Path) -> None:
    replaced = finished.with_name(f"{finished.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.replace(replaced)
    finished.replace(out)
    shutil.rmtree(replaced, ignore_errors=True)


GET_BACK = (
    "DVC trusts a file's time and would keep it: `tohum share verify --here --delete` deletes "
    "everything damaged, then `dvc repro {stage}` (or `tohum share pull`) replaces it."
)


def check_files(expected: dict[Path, str], stage: str) -> None:
    """Checks the files that a stage reads: each has the SHA-256 that was noted when it was written.

    Args:
        expected: the hash of each file, in hex.
        stage: the one that wrote them, for the message.

    Raises:
        UserError: files are missing or damaged; the message names each.
    """
    with ThreadPoolExecutor() as pool:  # hashing leaves Python to other threads
        found = dict(zip(expected, pool.map(_sha256_or_problem, expected), strict=True))
    damaged = [
        f"{path} ({found[path]}, expected the SHA-256 {sha256})"
        for path, sha256 in expected.items()
        if found[path] != sha256
    ]
    if damaged:
        raise UserError(
            f"what the stage '{stage}' wrote is damaged: {'; '.join(damaged)}. "
            f"{GET_BACK.format(stage=stage)}"
        )


def _sha256_or_problem(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        return str(error.strerror)


@contextmanager
def read_json(path: Path, stage: str) -> Iterator[dict[str, Any]]:
    """Yields the object in a JSON file that a stage wrote; a key that the block misses in it, or a
    value of another type, is damage too.

    Raises:
        UserError: the file is missing or damaged.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro {stage}`.")
    try:
        value = json.loads(path.read_bytes())
        if not isinstance(value, dict):
            raise TypeError(f"expected an object, found {type(value).__name__}")
        yield value
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {error}). {GET_BACK.format(stage=stage)}"
        ) from None
