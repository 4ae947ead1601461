"""Unfinished work, kept apart from finished outputs.

DVC deletes a stage's outputs before it runs the stage. What a stage has so far therefore lies in
`.work/<stage>/<key>/` under the project's root, where the key is a hash of everything that its
bytes depend on, and is renamed into the outputs only when it is complete. A temporary DVC
experiment has a root of its own but shares the parent project's `.work`, which DVC names in
`DVC_ROOT`.
"""

import hashlib
import json
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

LOCK_SECONDS = 20.0  # an orphan of a killed run ends within about a second


def project_root() -> Path:
    """The root that owns `.work`: in a temporary experiment, that of the parent project."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def work_key(stage: str, params: Iterable[Any], inputs: Iterable[Path]) -> str:
    """Returns the hash of all that a stage's bytes depend on: its code, params and inputs.

    Args:
        stage: as dvc.yaml calls it, which has the list of its code.
        params: configuration dataclasses, or dictionaries of values.
        inputs: small files that stand for the inputs: the manifest of an output holds the hashes of
            its data.
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
    """Yields the stage's work directory for `key`, held by this process alone, with what it had so
    far.

    It is deleted when the block ends well, unless it is to be kept, and kept when it doesn't.
    Directories of other keys go, unless a process holds them: what they have was for another
    configuration, input or code.

    Args:
        wait: seconds to wait for another process that holds it; -1 waits for as long as it takes.
        inherit: a folder in it to which they are moved instead, by their keys, for a stage that can
            use what was made for another key.

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
    try:
        path.mkdir(exist_ok=True)
        _drop_others(path, inherit)
        yield path
        if not keep:
            shutil.rmtree(path)
    finally:
        lock.release()


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _drop_others(kept: Path, inherit: str | None) -> None:
    """Deletes the work directories beside `kept` that no process holds, and their locks; or moves
    them into it, those that they have inherited beside them.
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
            if sys.platform != "win32":  # where a file that is open can't be deleted
                _lock_path(path).unlink(missing_ok=True)
