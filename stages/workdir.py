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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from stages.errors import UserError

LOCK_SECONDS = 20.0  # an orphan of a killed run ends within about a second


def project_root() -> Path:
    """The root that owns `.work`: in a temporary experiment, that of the parent project."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def work_key(
    stage: str, params: Iterable[Any], inputs: Iterable[Path], code: Iterable[str] | None = None
) -> str:
    """Returns the hash of all that a stage's bytes depend on: its code, params and inputs.

    Args:
        stage: a folder of `stages/`.
        params: configuration dataclasses, or dictionaries of values.
        inputs: small files that stand for the inputs: the manifest of an output holds the hashes of
            its data.
        code: the files and folders of `stages/` that decide a byte; the stage's folder when not
            given.
    """
    package = Path(__file__).parent
    places = [package / name for name in ([stage] if code is None else code)]
    files = [
        path
        for place in places
        for path in (sorted(filter(Path.is_file, place.iterdir())) if place.is_dir() else [place])
    ]
    facts = {
        "params": [section if isinstance(section, dict) else asdict(section) for section in params],
        "inputs": [file_sha256(path) for path in inputs],
        "code": [file_sha256(path) for path in files],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def workdir_path(stage: str, key: str) -> Path:
    """Returns where the stage's work directory for `key` is, or will be."""
    return project_root() / ".work" / stage / key


@contextmanager
def open_workdir(stage: str, key: str, keep: bool = False) -> Iterator[Path]:
    """Yields the stage's work directory for `key`, held by this process alone, with what it had so
    far.

    It is deleted when the block ends well, unless it is to be kept, and kept when it doesn't.

    Raises:
        UserError: another process holds it.
    """
    path = workdir_path(stage, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f"{key}.lock"), timeout=LOCK_SECONDS)
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
        yield path
        if not keep:
            shutil.rmtree(path)
    finally:
        lock.release()


def fresh(path: Path) -> Path:
    """Returns `path` as an empty directory."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a file that appears at `path` whole and on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
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
    """Renames a finished directory to a stage's declared output, in place of what is there."""
    if out.exists():
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    finished.replace(out)
