"""Writes files and folders that appear complete or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MOST_NAME_BYTES = 255  # of a file, on every system


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fresh(path: Path) -> Path:
    """Returns `path` as an empty directory."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


def partial_path(path: Path) -> Path:
    """Returns where a file is written before it is renamed to `path`."""
    name = f"{path.name}.partial"
    if len(os.fsencode(name)) > MOST_NAME_BYTES:
        name = f"{hashlib.sha256(os.fsencode(name)).hexdigest()}.partial"
    return path.with_name(name)


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a file that appears at `path` complete and synced to disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    try:
        with partial.open(mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON with its keys in the order given."""
    with atomic_write(path, "w") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def publish(finished: Path, out: Path) -> None:
    """Renames a finished directory to a stage's declared output.

    What is there is first moved next to `finished`, and deleted last, so that a kill at any moment
    leaves one of the two whole.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    replaced = finished.with_name(f"{finished.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if out.exists():
        out.replace(replaced)
    finished.replace(out)
    shutil.rmtree(replaced, ignore_errors=True)
