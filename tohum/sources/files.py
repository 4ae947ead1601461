"""The source `files`: the user's data files, copied as they are, each with its SHA-256.

Complete copies are kept when a run is killed.
"""

import glob
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, write_json
from tohum.readers import describes_dataset, is_data_file
from tohum.sources.destination import Destination
from tohum.workdir import project_root

BLOCK_BYTES = 1 << 22
MOST_NAMED = 20  # files in a message

log = logging.getLogger(__name__)


@dataclass
class FilesSource:
    """Data files on this machine: JSONL, JSON, CSV, TSV or parquet, each row a record."""

    kind: str
    paths: list[str]
    license: str | None

    def download(self, destination: Destination) -> None:
        """Copies the files.

        Raises:
            UserError: a path or pattern names nothing, or two files have one name.
        """
        destination.folder.mkdir(parents=True, exist_ok=True)
        copy_files(self, destination.folder)


def copy_files(source: FilesSource, folder: Path) -> None:
    """Copies the files of `source` to `folder` and writes their manifest and source.json.

    Raises:
        UserError: a path or pattern names nothing, or two files have one name.
    """
    lines = []
    for name, path in _named(source, project_root()):
        sha256 = _copy(path, folder / name)
        size = (folder / name).stat().st_size
        lines.append({"file": name, "bytes": size, "sha256": sha256, "license": source.license})
    with atomic_write(folder / "manifest.jsonl", "w") as manifest:
        manifest.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    total = sum(int(str(line["bytes"])) for line in lines)
    facts = {"kind": "files", "license": source.license, "files": len(lines), "bytes": total}
    write_json(folder / "source.json", facts)
    log.info("%d data files, %.1f MB", len(lines), total / 1e6)


def _named(source: FilesSource, root: Path) -> list[tuple[str, Path]]:
    """Returns every file with its new name, sorted by name."""
    named: dict[str, Path] = {}
    for pattern in source.paths:
        for name, path in _matching(root, pattern):
            if named.get(name, path).resolve() != path.resolve():
                raise UserError(
                    f"source.paths: {named[name]} and {path} would both be named '{name}'. Give "
                    "them different names, or make them two sources: source=[a:files,b:files]."
                )
            named[name] = path
    return sorted(named.items())


def _matching(root: Path, pattern: str) -> list[tuple[str, Path]]:
    place = Path(os.path.normpath(root / Path(pattern).expanduser()))
    if place.is_file():
        return [(place.name, place)]
    base, search = (place, place / "**") if place.is_dir() else (_fixed_part(place), place)
    found = [Path(path) for path in sorted(glob.glob(str(search), recursive=True))]  # noqa: PTH207  # absolute patterns
    names = {path: path.relative_to(base).as_posix() for path in found if path.is_file()}
    files = [path for path, name in names.items() if is_data_file(name)]
    if left := [name for name in names.values() if describes_dataset(name)]:
        log.info("left out, since they describe the data: %s", ", ".join(left[:MOST_NAMED]))
    if not files:
        raise UserError(
            f"source.paths: '{pattern}' names no data file (looked for {search}). Expected JSONL, "
            "JSON, CSV, TSV or parquet, plain or compressed, or an Excel workbook; `"
            "tohum inspect PATH` says what a file is. A folder of code is source=local."
        )
    return [(names[path], path) for path in files]


def _fixed_part(pattern: Path) -> Path:
    """Returns the folders of a pattern before the first with a wildcard."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _copy(path: Path, copy: Path) -> str:
    """Copies a file unless an equal copy exists, and returns its SHA-256 in hex."""
    if copy.is_file() and copy.stat().st_size == path.stat().st_size:
        there = file_sha256(copy)
        if there == file_sha256(path):
            return there
    digest = hashlib.sha256()
    with path.open("rb") as file, atomic_write(copy) as out:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()
