"""The source `local`: a folder of the user's own files, without what is unfit for training.

Each .gitignore in the folder applies to what is below it, a deeper one wins, and symbolic links are
not followed. Nothing in the folder ends the stage: what cannot be read is left out, counted, and
the first of its kind named.
"""

import codecs
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tohum.config.sections import limits
from tohum.errors import UserError
from tohum.formats.raw import RawFile
from tohum.gitignore import IgnoreFile
from tohum.sources.destination import Destination
from tohum.sources.offered_files import OfferedFile, as_raw, write_offered
from tohum.sources.user_paths import check_path, unicode_name, user_path

BINARY_SNIFF_BYTES = 8192  # git looks for a NUL in as many
MOST_IGNORE_BYTES = 100 << 20  # of a .gitignore, as in git
READS = 4  # of a file that changes
NAMED = 3  # of the files left out for one reason
UNREADABLE = "unreadable"
UNREADABLE_FOLDER = "folder that cannot be read"
UNREADABLE_IGNORE = "folder with a .gitignore that cannot be read"
CHANGING = "changes while it is read"
PROBLEMS = (UNREADABLE, UNREADABLE_FOLDER, UNREADABLE_IGNORE, CHANGING)
Ignores = tuple[tuple[str, IgnoreFile], ...]

log = logging.getLogger(__name__)


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

    def check(self, section: str) -> None:
        """Raises a UserError if the path can't be one."""
        check_path(f"{section}.path", self.path)

    def download(self, destination: Destination) -> None:
        """Writes the files of the folder.

        Raises:
            UserError: there is no such folder, or no file in it.
        """
        left_out: Counter[str] = Counter()
        offered = local_files(self, left_out)
        read = partial(_read_again, self, left_out)
        write_offered(self.kind, offered, self.max_bytes, left_out, destination, read)


def local_files(source: LocalSource, left_out: Counter[str]) -> list[OfferedFile]:
    """Lists the text files of the folder and counts the others by reason.

    Raises:
        UserError: there is no such folder.
    """
    root = user_path("source.path", source.path).resolve()
    if not root.is_dir():
        raise UserError(
            f"source.path is {source.path!r}, but there is no folder {root}. Give the folder of "
            "your files."
        )
    offered = []
    for path in unignored_files(root, source.exclude, left_out):
        reason, content = _read(root / path, source)
        if reason:
            _leave_out(path, reason, left_out)
            continue
        offered.append(
            OfferedFile(
                location=root / path,
                path=path,
                repo=unicode_name(root.name),
                source="local",
                license=source.license,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                remedy="",
            )
        )
    return offered


def _leave_out(path: str, reason: str, left_out: Counter[str]) -> None:
    """Counts a file or folder, and names the first that could not be read."""
    left_out[reason] += 1
    if reason.startswith(PROBLEMS) and left_out[reason] <= NAMED:
        log.warning("left out: %s: %r", reason, path)


def unignored_files(root: Path, exclude: list[str], left_out: Counter[str]) -> Iterator[str]:
    """Yields the paths of the files below `root`, relative to it with forward slashes."""
    folders: list[tuple[str, Ignores]] = [("", (("", IgnoreFile([".git/", *exclude])),))]
    while folders:
        folder, ignores = folders.pop()
        try:
            with os.scandir(root / folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            _leave_out(folder, f"{UNREADABLE_FOLDER} ({error.strerror})", left_out)
            continue
        try:
            ignores = _with_gitignore(folder, entries, ignores)
        except OSError as error:  # what it says must stay out is unknown
            _leave_out(folder, f"{UNREADABLE_IGNORE} ({error.strerror})", left_out)
            continue
        for entry in entries:
            path = folder + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.is_symlink():
                left_out["symbolic link"] += 1
            elif _ignored(path, is_folder, ignores):
                left_out["ignored folder" if is_folder else "ignored file"] += 1
            elif unicode_name(entry.name) != entry.name:
                left_out["name that is not Unicode"] += 1
            elif is_folder:
                folders.append((path + "/", ignores))
            elif entry.is_file(follow_symlinks=False):
                yield path
            else:
                left_out["neither file nor folder"] += 1


def _with_gitignore(folder: str, entries: list["os.DirEntry[str]"], ignores: Ignores) -> Ignores:
    """Returns the patterns that apply in a folder: those above, and its .gitignore, if any.

    Raises:
        OSError: the .gitignore cannot be read.
    """
    for entry in entries:
        if entry.name == ".gitignore" and entry.is_file(follow_symlinks=False):
            return (*ignores, (folder, IgnoreFile(_ignore_lines(Path(entry.path)))))
    return ignores


def _ignore_lines(path: Path) -> list[str]:
    """Returns the lines of a .gitignore. Bytes that are not UTF-8 are those of file names, a byte
    order mark would spoil the first pattern, and PowerShell writes UTF-16.
    """
    with path.open("rb") as file:
        content = file.read(MOST_IGNORE_BYTES + 1)
    if len(content) > MOST_IGNORE_BYTES:
        raise OSError(0, f"larger than {MOST_IGNORE_BYTES} bytes")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        text = content.decode("utf-8-sig", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _ignored(path: str, is_folder: bool, ignores: Ignores) -> bool:
    """Whether a configured pattern, or the deepest .gitignore that matches, ignores the path."""
    if ignores[0][1].verdict(path, is_folder):
        return True
    for base, rules in reversed(ignores[1:]):
        ignored = rules.verdict(path.removeprefix(base), is_folder)
        if ignored is not None:
            return ignored
    return False


def _read(location: Path, source: LocalSource) -> tuple[str, bytes]:
    """Returns the reason to leave a file out, or an empty one and its bytes."""
    if source.suffixes and location.suffix.lower() not in source.suffixes:
        return "other suffix", b""
    try:
        with location.open("rb") as file:
            if os.fstat(file.fileno()).st_size > source.max_file_bytes:
                return "larger than max_file_bytes", b""
            content = file.read(source.max_file_bytes + 1)
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror})", b""
    if len(content) > source.max_file_bytes:
        return "larger than max_file_bytes", b""
    if b"\0" in content[:BINARY_SNIFF_BYTES]:
        return "binary", b""
    if max(map(len, content.split(b"\n"))) > source.max_line_bytes:
        return "minified or generated (a line longer than max_line_bytes)", b""
    return "", content


def _read_again(
    source: LocalSource, left_out: Counter[str], file: OfferedFile
) -> tuple[RawFile, bytes] | None:
    """Reads a listed file until two readings in a row are equal; None if it is left out."""
    before = file.sha256
    for _ in range(READS):
        reason, content = _read(file.location, source)
        if reason:
            _leave_out(file.path, reason, left_out)
            return None
        now = hashlib.sha256(content).hexdigest()
        if now == before:
            return as_raw(replace(file, sha256=now), content), content
        before = now
    _leave_out(file.path, CHANGING, left_out)
    return None
