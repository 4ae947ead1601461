"""dvc.lock, in which DVC records what each stage read and made.

    python -m tohum.dvc_lock

deletes it if DVC was killed as it wrote it: DVC then restores each result from its cache, by what
the stage read. (`git checkout dvc.lock` brings the hashes of whoever committed it, and a model of
another kind of processor is not in the cache.) It does the same with `.dvc/tmp/rwlock`, in which
DVC notes who reads and writes what, and without which it begins anew.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import yaml

from tohum.process import exit_code

PATH = Path("dvc.lock")
READERS_AND_WRITERS = Path(".dvc/tmp/rwlock")
HASHED = ("conf", "stages", "tohum")  # the folders of code and presets that it has hashes of
CONFLICT = b"<<<<<<< "

log = logging.getLogger(__name__)


def read_stages(path: Path = PATH) -> dict[str, Any] | None:
    """Returns the stages by name, or None if the file is missing or isn't whole."""
    return None if not path.is_file() else parse_stages(path.read_bytes())


def remove_if_cut_off(path: Path = PATH) -> None:
    """Deletes a file that DVC has not written to its end; one with a conflict of git stays."""
    if not path.is_file():
        return
    content = path.read_bytes()
    if CONFLICT not in content and (parse_stages(content) is None or not content.endswith(b"\n")):
        path.unlink()
        log.warning(
            "%s was cut off as DVC wrote it, and is deleted: DVC restores the results from its "
            "cache and writes it again.",
            path,
        )


def remove_readers_and_writers_if_cut_off(path: Path = READERS_AND_WRITERS) -> None:
    """Deletes DVC's list of readers and writers if it isn't whole."""
    if not path.is_file():
        return
    try:
        json.loads(path.read_bytes())
    except ValueError:
        path.unlink()
        log.warning("%s was cut off as DVC wrote it, and is deleted: DVC begins it anew.", path)


def remove_what_is_cut_off() -> None:
    """Deletes what DVC has not written to its end."""
    remove_if_cut_off()
    remove_readers_and_writers_if_cut_off()


def parse_stages(content: bytes) -> dict[str, Any] | None:
    """Returns the stages by name, or None if the content isn't that of a whole file."""
    try:
        lock = yaml.safe_load(content)
    except (UnicodeDecodeError, yaml.YAMLError):
        return None
    stages = lock.get("stages") if isinstance(lock, dict) else None
    whole = isinstance(stages, dict) and all(isinstance(stage, dict) for stage in stages.values())
    return stages if whole else None


if __name__ == "__main__":
    sys.exit(exit_code("dvc.lock", remove_what_is_cut_off, "the same command"))
