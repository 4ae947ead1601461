"""The source `local`: a folder of the user's own files, without what is unfit for training.

Each .gitignore in the folder applies to what is below it, a deeper one wins, and symbolic links are
not followed.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tohum.config.sections import limits
from tohum.errors import UserError
from tohum.gitignore import Pattern, parse, verdict
from tohum.sources.destination import Destination
from tohum.sources.offered_files import OfferedFile, write_offered
from tohum.workdir import project_root

BINARY_SNIFF_BYTES = 8192  # git looks for a NUL in as many
Ignores = tuple[tuple[str, list[Pattern]], ...]


@dataclass
class LocalSource:
    """A folder of the user's own files."""

    kind: str
    path: str
    license: str | None
    suffixes: list[str]
    exclude: list[str]
    max_file_bytes: int = limits(minimum=1)
    max_line_bytes: int = limits(minimum=1)
    max_bytes: int = limits(minimum=1)

    def download(self, destination: Destination) -> None:
        """Writes the files of the folder.

        Raises:
            UserError: there is no such folder, or no file in it.
        """
        left_out: Counter[str] = Counter()
        offered = local_files(self, left_out)
        write_offered(self.kind, offered, self.max_bytes, left_out, destination)


def local_files(source: LocalSource, left_out: Counter[str]) -> list[OfferedFile]:
    """Lists the text files of the folder and counts the others by reason.

    Raises:
        UserError: there is no such folder.
    """
    root = (project_root() / Path(source.path).expanduser()).resolve()
    if not root.is_dir():
        raise UserError(
            f"source.path is {source.path!r}, but there is no folder {root}. Give the folder of "
            "your files."
        )
    offered = []
    excluded = (("", parse([".git/", *source.exclude])),)
    for path in _walk(root, "", excluded, left_out):
        reason, content = _inspect(root / path, source)
        if reason:
            left_out[reason] += 1
            continue
        offered.append(
            OfferedFile(
                location=root / path,
                path=path,
                repo=root.name,
                source="local",
                license=source.license,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                remedy="It changed while it was being read: run `dvc repro` again.",
            )
        )
    return offered


def _walk(root: Path, folder: str, ignores: Ignores, left_out: Counter[str]) -> Iterator[str]:
    """Yields the paths of the files below `folder`, relative to `root` with forward slashes."""
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except PermissionError:
        left_out["folder without permission"] += 1
        return
    for entry in entries:
        if entry.name == ".gitignore" and entry.is_file(follow_symlinks=False):
            # A BOM would spoil the first pattern; bytes that are not UTF-8 are those of file names.
            text = Path(entry.path).read_text(encoding="utf-8-sig", errors="surrogateescape")
            ignores = (*ignores, (folder, parse(text.split("\n"))))
    for entry in entries:
        path = folder + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink():
            left_out["symbolic link"] += 1
        elif _ignored(path, is_folder, ignores):
            left_out["ignored folder" if is_folder else "ignored file"] += 1
        elif not _is_unicode(entry.name):
            left_out["name that is not Unicode"] += 1
        elif is_folder:
            yield from _walk(root, path + "/", ignores, left_out)
        elif entry.is_file():
            yield path


def _is_unicode(name: str) -> bool:
    """Whether UTF-8 can encode the name, which is in the manifest and the records."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _ignored(path: str, is_folder: bool, ignores: Ignores) -> bool:
    """Whether a configured pattern, or the deepest .gitignore that matches, ignores the path."""
    if verdict(ignores[0][1], path, is_folder):
        return True
    for base, patterns in reversed(ignores[1:]):
        ignored = verdict(patterns, path.removeprefix(base), is_folder)
        if ignored is not None:
            return ignored
    return False


def _inspect(location: Path, source: LocalSource) -> tuple[str, bytes]:
    """Returns the reason to leave a file out, or an empty one and its bytes."""
    if source.suffixes and location.suffix.lower() not in source.suffixes:
        return "other suffix", b""
    try:
        if location.stat().st_size > source.max_file_bytes:
            return "larger than max_file_bytes", b""
        content = location.read_bytes()
    except OSError:
        return "unreadable", b""
    if b"\0" in content[:BINARY_SNIFF_BYTES]:
        return "binary", b""
    if max(map(len, content.split(b"\n"))) > source.max_line_bytes:
        return "minified or generated (a line longer than max_line_bytes)", b""
    return "", content
