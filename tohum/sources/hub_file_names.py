"""Checks the names of a dataset's files before any of them is written below data/raw.

A repository's list may have any name. What is written must stay in its folder, apart from our own
files, and be the same file on Linux, macOS and Windows
(https://learn.microsoft.com/windows/win32/fileio/naming-a-file).
"""

import os
import re
import unicodedata
from collections.abc import Iterable

from tohum.errors import UserError
from tohum.formats.raw import DROPPED, FACTS, MANIFEST

SUFFIXES = (".part", ".partial")  # of unfinished files, next to the finished one
LONGEST_PART = 255 - max(map(len, SUFFIXES))  # bytes, of a file's or folder's name
LONGEST_PATH = 2048  # bytes; Linux takes 4096, with the project's own folder
DRIVE = re.compile("[A-Za-z]:")
DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
REMEDY = "Nothing is fetched: name other files in source.paths, or ask its owners to rename it."
WINDOWS_ONLY = re.compile(r'[<>:"|?*]')  # forbidden there; names of real datasets elsewhere


def check_name(repo_id: str, path: str, windows: bool = os.name == "nt") -> None:
    """Checks the path of a file in a repository.

    Args:
        windows: whether this machine has Windows' rules for names.

    Raises:
        UserError: it can't be written.
    """
    if problem := _problem(path, windows):
        raise UserError(f"{repo_id} has a file named {_shown(path)}, {problem}. {REMEDY}")


def check_together(repo_id: str, paths: Iterable[str]) -> None:
    """Checks paths that are to be written to one folder.

    Raises:
        UserError: two of them would be one file, or one the folder of the other.
    """
    taken: dict[str, str] = {}
    every = list(paths)
    for path in every:
        for name in (path, *(path + suffix for suffix in SUFFIXES)):
            key = file_key(name)
            if key in taken:
                raise UserError(
                    f"{repo_id} has the files {_shown(taken[key])} and {_shown(path)}, which would "
                    f"be one file on some systems, or in each other's way. {REMEDY}"
                )
            taken[key] = path
    for path in every:
        for folder in _folders(path):
            if other := taken.get(file_key(folder)):
                raise UserError(
                    f"{repo_id} has a file named {_shown(other)} and a folder of that name, with "
                    f"{_shown(path)}. {REMEDY}"
                )


def _problem(path: str, windows: bool) -> str:
    """Returns why a path can't be written; nothing if it can."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "which is not Unicode text"
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        return "with a control character in it"
    if "\\" in path:
        return "with a backslash in it, which Windows takes for a folder"
    if path.startswith("/"):
        return "an absolute path"
    if size > LONGEST_PATH:
        return f"which is longer than {LONGEST_PATH} bytes"
    parts = path.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            return "which does not lead to one place in its folder"
        if DRIVE.match(part):
            return "which begins with the letter of a drive"
        if DEVICE.fullmatch(part):
            return f"in which '{part}' is a device of Windows"
        if part.endswith((".", " ")):
            return f"in which '{part}' ends in a dot or a space, which Windows leaves out"
        if len(part.encode()) > LONGEST_PART:
            return f"in which a name is longer than {LONGEST_PART} bytes"
        if windows and WINDOWS_ONLY.search(part):
            return f"in which '{part}' has one of < > : \" | ? *, which Windows does not allow"
    ours = (FACTS, MANIFEST, DROPPED) if len(parts) == 1 else (FACTS,)
    if file_key(parts[-1]) in ours:
        return "which is the name of our own record of a download"
    return ""


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def file_key(path: str) -> str:
    """Returns what a system that ignores case and Unicode's forms takes for the same path."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 100 else path[:100] + "...")
