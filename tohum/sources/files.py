"""The source `files`: the user's data files, copied as they are, each with its SHA-256.

Complete copies are kept when a run is killed. Links are followed, but a folder is read only once,
wherever they lead.
"""

import fnmatch
import glob
import hashlib
import json
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, write_json
from tohum.foresight import require_disk
from tohum.formats.raw import DROPPED, FACTS, MANIFEST
from tohum.readers import describes_dataset, is_data_file
from tohum.shortages import is_full
from tohum.sources.destination import Destination
from tohum.sources.hub_file_names import file_key
from tohum.sources.user_paths import check_path, unicode_name, user_path

BLOCK_BYTES = 1 << 22
MOST_NAMED = 20  # files in a message
OURS = (MANIFEST, DROPPED, FACTS)
READS = 3  # of a file that changes while it is copied

log = logging.getLogger(__name__)


@dataclass
class FilesSource:
    """Data files on this machine: JSONL, JSON, CSV, TSV or parquet, each row a record."""

    kind: str
    paths: list[str]
    license: str | None

    def check(self, section: str) -> None:
        """Raises a UserError if there are no paths, or one can't be a path."""
        if not self.paths:
            raise UserError(f"{section}.paths is empty, expected files, folders or patterns.")
        for path in self.paths:
            check_path(f"{section}.paths", path)

    def download(self, destination: Destination) -> None:
        """Copies the files.

        Raises:
            UserError: a path or pattern names nothing, two files have one name, or one cannot be
                read.
        """
        destination.folder.mkdir(parents=True, exist_ok=True)
        copy_files(self, destination.folder)


def copy_files(source: FilesSource, folder: Path) -> None:
    """Copies the files of `source` to `folder` and writes their manifest and source.json.

    Raises:
        UserError: a path or pattern names nothing, two files have one name, or one cannot be read.
    """
    left_out: dict[Path, str] = {}
    named = named_files(source, left_out, ignores_case(folder))
    for path, reason in sorted(left_out.items()):
        log.warning("left out: %s: %r", reason, str(path))
    _delete_others(folder, {name for name, _ in named})
    missing = sum(path.stat().st_size for name, path in named if not (folder / name).is_file())
    require_disk("download", missing, folder, "the copies of the data files")
    lines = []
    for name, path in named:
        sha256 = _copy(path, folder / name)
        size = (folder / name).stat().st_size
        lines.append({"file": name, "bytes": size, "sha256": sha256, "license": source.license})
    with atomic_write(folder / MANIFEST, "w") as manifest:
        manifest.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    total = sum(int(str(line["bytes"])) for line in lines)
    facts = {
        "kind": "files",
        "license": source.license,
        "files": len(lines),
        "bytes": total,
        **({"left_out": dict(Counter(sorted(left_out.values())))} if left_out else {}),
    }
    write_json(folder / FACTS, facts)
    log.info("%d data files, %.1f MB", len(lines), total / 1e6)


def ignores_case(folder: Path) -> bool:
    """Returns whether names in a folder that differ only in case are one file, as on macOS."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="case-") as file:
        return Path(file.name).with_name(Path(file.name).name.swapcase()).exists()


def named_files(
    source: FilesSource, left_out: dict[Path, str], one_case: bool = False
) -> list[tuple[str, Path]]:
    """Returns every file with its new name, sorted by name.

    Args:
        one_case: whether names that differ only in case, or in Unicode's forms, are one.
    """
    named: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for pattern in source.paths:
        for found, path in _matching(pattern, left_out):
            name = unicode_name(found)
            if name.casefold() in OURS:
                name = f"data/{name}"
            other = taken.setdefault(file_key(name) if one_case else name, name)
            if named.get(other, path).resolve() != path.resolve():
                raise UserError(
                    f"source.paths: {named[other]} and {path} would both be named '{name}'. Give "
                    "them different names, or make them two sources: source=[a:files,b:files]."
                )
            named[other] = path
    for name, path in named.items():
        for above in map(Path.as_posix, Path(name).parents):
            if above in named:
                raise UserError(
                    f"source.paths: {named[above]} would be named '{above}', which is the folder "
                    f"of {path}. Give them different names, or make them two sources: "
                    "source=[a:files,b:files]."
                )
    return sorted(named.items())


def _matching(pattern: str, left_out: dict[Path, str]) -> list[tuple[str, Path]]:
    """Returns the data files of a path or pattern, each with its name below the fixed part."""
    place = user_path("source.paths", pattern)
    if place.is_file():
        return [(place.name, place)]
    base, rest = (place, ("**",)) if place.is_dir() else _split(place)
    paths = _expanded(base, rest, left_out) if base.is_dir() else []
    names = {path: path.relative_to(base).as_posix() for path in paths}
    files = [path for path, name in names.items() if is_data_file(name)]
    if left := [name for name in names.values() if describes_dataset(name)]:
        log.info("left out, since they describe the data: %s", ", ".join(left[:MOST_NAMED]))
    if not files:
        raise UserError(
            f"source.paths: '{pattern}' names no data file (looked for {base.joinpath(*rest)}). "
            "Expected JSONL, JSON, CSV, TSV or parquet, plain or compressed, or an Excel workbook; "
            "`tohum inspect PATH` says what a file is. A folder of code is source=local."
        )
    return [(names[path], path) for path in files]


def _split(pattern: Path) -> tuple[Path, tuple[str, ...]]:
    """Returns the folder above the first part with a wildcard, and the parts from there on."""
    parts = pattern.parts
    fixed = 0
    while fixed < len(parts) - 1 and not glob.has_magic(parts[fixed]):
        fixed += 1
    return Path(*parts[:fixed]), parts[fixed:]


def _expanded(base: Path, parts: tuple[str, ...], left_out: dict[Path, str]) -> list[Path]:
    """Returns the files that match a pattern of `parts`, as in `glob`, in the order of their paths.

    Python's own never ends where two links lead up the tree.
    """
    *above, last = parts
    folders = [base]
    for part in above:
        found = (
            inner
            for folder in folders
            for inner in (
                _folders(folder, left_out)
                if part == "**"
                else (path for path in _entries(folder, part, left_out) if path.is_dir())
            )
        )
        folders = list(dict.fromkeys(found))
    if last == "**":
        folders = [inner for folder in folders for inner in _folders(folder, left_out)]
        last = "*"
    files = (path for folder in folders for path in _entries(folder, last, left_out))
    return sorted(dict.fromkeys(path for path in files if path.is_file()))


def _folders(top: Path, left_out: dict[Path, str]) -> Iterator[Path]:
    """Yields a folder and those below it, without hidden ones, each once: under its own path
    rather than that of a link to it.
    """
    seen = set()
    real, linked = [top], list[Path]()
    while real or linked:
        folder = real.pop() if real else linked.pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield folder
        for path in reversed(_entries(folder, "*", left_out)):
            if path.is_dir():
                (linked if path.is_symlink() else real).append(path)


def _entries(folder: Path, pattern: str, left_out: dict[Path, str]) -> list[Path]:
    """Returns what is in a folder that matches a pattern, sorted, and adds to `left_out` a folder
    that cannot be read, or a link to nothing.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  # Path.iterdir makes a path of each
    except OSError as error:
        left_out[folder] = f"folder that cannot be read ({error.strerror})"
        return []
    found = []
    for name in names:
        hidden = name.startswith(".") and not pattern.startswith(".")
        if hidden or not fnmatch.fnmatch(name, pattern):
            continue
        path = folder / name
        try:
            path.stat()
        except OSError as error:
            if is_data_file(name):
                left_out[path] = f"unreadable ({error.strerror})"
            continue
        found.append(path)
    return found


def _delete_others(folder: Path, names: set[str]) -> None:
    """Deletes what an earlier try copied and this one does not name."""
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and path.relative_to(folder).as_posix() not in names:
            path.unlink()


def _copy(path: Path, copy: Path) -> str:
    """Copies a file unless an equal copy exists, and returns its SHA-256 in hex.

    Raises:
        UserError: it cannot be read, or something goes on writing it.
    """
    try:
        if copy.is_file() and copy.stat().st_size == path.stat().st_size:
            there = file_sha256(copy)
            if there == file_sha256(path):
                return there
        for _ in range(READS):
            before = path.stat()
            sha256 = _copy_once(path, copy)
            after = path.stat()
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return sha256
    except OSError as error:
        if is_full(error):
            raise
        remedy = "Give a file that this user can read, or leave it out of source.paths."
        if isinstance(error, PermissionError):  # on Windows, also for a file that is open
            remedy = f"If it is open in another program, such as Excel, close it there. {remedy}"
        raise UserError(
            f"source.paths: {str(path)!r} cannot be copied to {str(copy)!r} ({error.strerror}). "
            f"{remedy}"
        ) from None
    raise UserError(
        f"source.paths: {str(path)!r} changes while it is copied. Stop what writes it, or name a "
        "copy of it."
    )


def _copy_once(path: Path, copy: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file, atomic_write(copy) as out:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()
