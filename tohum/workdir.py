"""Keeps unfinished work apart from finished outputs.

DVC deletes a stage's outputs before it runs the stage. So a stage keeps what it has so far in
`.work/<stage>/<key>/` under the project's root, where the key is a hash of everything that its
output depends on, and renames it to the outputs when it is complete. A temporary DVC experiment has
its own root but shares the `.work` of the parent project, whose root is in `DVC_ROOT`.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tohum.dependencies import PROJECT, code_files
from tohum.errors import UserError
from tohum.files import file_sha256
from tohum.shortages import LESS_MEMORY

LOCK_SECONDS = 20.0  # an orphan of a killed run ends within about a second

log = logging.getLogger(__name__)


def project_root() -> Path:
    """The root that owns `.work`: in a temporary experiment, the parent project's."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def work_key(stage: str, params: Iterable[Any], inputs: Iterable[Path]) -> str:
    """Returns the hash of everything that a stage's output depends on: its code, params and inputs.

    Args:
        stage: its name in dvc.yaml, which lists its code.
        params: configuration dataclasses, or dictionaries of values.
        inputs: small files that represent the inputs: an output's manifest has the hashes of its
            data.
    """
    facts = {
        "params": [section if isinstance(section, dict) else asdict(section) for section in params],
        "inputs": [file_sha256(path) for path in inputs],
        "code": [
            [path.relative_to(PROJECT).as_posix(), file_sha256(path)] for path in code_files(stage)
        ],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def workdir_path(stage: str, key: str) -> Path:
    """Returns where the stage's work directory for `key` is, or will be."""
    return project_root() / ".work" / stage / key


@contextmanager
def open_workdir(
    stage: str,
    key: str,
    keep: bool = False,
    wait: float = LOCK_SECONDS,
    inherit: str | None = None,
) -> Iterator[Path]:
    """Yields the stage's work directory for `key` with its contents so far, locked by this process.

    It is deleted when the block succeeds, unless it is to be kept, and kept when the block fails.
    Directories of other keys are deleted unless a process holds them: they belong to another
    configuration, input or code.

    Args:
        wait: seconds to wait for another process that holds it; -1 waits as long as it takes.
        inherit: a folder in it to which the others are moved instead, by their keys, for a stage
            that can use work done for another key.

    Raises:
        UserError: another process still holds it.
    """
    path = workdir_path(stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_path(path), timeout=wait)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another process is running the stage '{stage}' with the same input "
            f"({lock.lock_file} is held). Wait until it ends, or end it, and run `dvc repro` "
            "again."
        ) from None
    running = path.with_name(f"{path.name}.running")
    if running.exists():
        log.warning(
            "the last run of the stage '%s' was killed. If you did not end it, the memory ran out: "
            "the system ends a program then, and DVC says that it exited with -9. %s",
            stage,
            LESS_MEMORY,
        )
    try:
        path.mkdir(exist_ok=True)
        running.touch()
        _drop_others(path, inherit)
        yield path
        if not keep:  # a node that a cluster gave up may still write there: then some of it stays
            shutil.rmtree(path, ignore_errors=True)
    finally:
        running.unlink(missing_ok=True)
        lock.release()


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _drop_others(kept: Path, inherit: str | None) -> None:
    """Deletes the work directories next to `kept` that no process holds, and their locks; or moves
    them into it, next to those that they inherited themselves.
    """
    for path in kept.parent.iterdir():
        if path == kept or not path.is_dir():
            continue
        lock = FileLock(_lock_path(path), timeout=0)
        with suppress(Timeout), lock:
            if inherit is not None:
                earlier = path / inherit
                for folder in (*(earlier.iterdir() if earlier.is_dir() else ()), path):
                    target = kept / inherit / folder.name
                    target.parent.mkdir(exist_ok=True)
                    shutil.rmtree(target, ignore_errors=True)
                    folder.replace(target)
            shutil.rmtree(path, ignore_errors=True)
            path.with_name(f"{path.name}.running").unlink(missing_ok=True)
            if sys.platform != "win32":  # where an open file can't be deleted
                _lock_path(path).unlink(missing_ok=True)
