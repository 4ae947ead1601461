"""Marks unfinished work as complete, and checks it before another run takes it over.

A mark is a JSON file that is written after the files that it is about. It has facts for whoever
takes the work over, the size and SHA-256 of each file, and a SHA-256 of its own content. So a bit
that flips on the disk, a file that a power cut left empty, and a missing one are all noticed, for
0.7 s a gigabyte; what isn't marked counts as not done.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.files import file_sha256, write_json

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hashed:
    """A file with its size in bytes and its SHA-256 in hex; if it `grows`, those of its first
    bytes, and what follows them is not complete.
    """

    path: Path
    bytes: int
    sha256: str
    grows: bool = False


def hashed(path: Path) -> Hashed:
    """Returns a complete file with its hash."""
    return Hashed(path, path.stat().st_size, file_sha256(path))


def write_mark(
    mark: Path,
    files: Iterable[Path | Hashed] = (),
    facts: dict[str, Any] | None = None,
    sync: bool = True,
) -> None:
    """Marks files as complete.

    Args:
        facts: what JSON can hold.
        sync: whether the mark must survive a power cut; that of work that is soon redone need not.
    """
    entries = (file if isinstance(file, Hashed) else hashed(file) for file in files)
    listed = {
        Path(os.path.relpath(file.path, mark.parent)).as_posix(): [
            file.bytes,
            file.sha256,
            file.grows,
        ]
        for file in entries
    }
    content = json.loads(json.dumps({"facts": facts or {}, "files": listed}))
    write_json(mark, {**content, "sha256": _digest(content)}, sync)


def read_mark(mark: Path, files: bool = True) -> dict[str, Any] | None:
    """Returns the facts of a mark, or None if there is none, or it or one of its files is damaged.

    A damaged file is named in a warning, and its mark is set aside as `<name>.damaged`, so that the
    work counts as not done.

    Args:
        files: whether the files are checked, or only the mark itself.
    """
    if not mark.is_file():
        return None
    content = _read(mark)
    if content is None:
        log.warning("%s was damaged after it was written: what it marks is not used", mark)
    elif not files or _are_intact(_files(mark, content)):
        facts: dict[str, Any] = content["facts"]
        return facts
    with suppress(FileNotFoundError):  # another process that trains has done it
        mark.replace(mark.with_name(f"{mark.name}.damaged"))
    return None


def marked_files(mark: Path) -> list[Hashed]:
    """Returns the files of a mark in the order given to `write_mark`; none without a mark."""
    content = _read(mark)
    return [] if content is None else _files(mark, content)


def _files(mark: Path, content: dict[str, Any]) -> list[Hashed]:
    return [
        Hashed(Path(os.path.normpath(mark.parent / name)), *values)
        for name, values in content["files"].items()
    ]


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(mark: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(mark.read_bytes())
        digest = content.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return content if digest == _digest(content) else None


def _are_intact(files: list[Hashed]) -> bool:
    """Returns whether all files are as they were, and warns of each that isn't."""
    problems = {file.path: problem for file in files if (problem := _problem(file))}
    for path, problem in problems.items():
        log.warning("%s was damaged after it was written (%s): it is not used", path, problem)
    return not problems


def _problem(file: Hashed) -> str:
    try:
        there = file.path.stat().st_size
        if there < file.bytes or (there > file.bytes and not file.grows):
            return f"it has {there} bytes, expected {file.bytes}"
        found = file_sha256(file.path, file.bytes)
    except OSError as error:
        return f"it can't be read: {error.strerror}"
    return "" if found == file.sha256 else f"its SHA-256 is {found}, expected {file.sha256}"
