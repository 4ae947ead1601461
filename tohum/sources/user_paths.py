"""Paths as users give them, and names as file systems have them, made fit for the project."""

import os
import re
from pathlib import Path

from tohum.errors import UserError
from tohum.workdir import project_root

INVALID_NAME = 123  # Windows' error for a name that nothing can have, such as a pattern with a *


def check_path(key: str, given: str) -> None:
    """Raises a UserError if the value of `key` can't be the name of anything."""
    if not given.strip():
        raise UserError(
            f"{key} is {given!r}, expected a path, such as /home/me/data. For the project's own "
            "folder write '.'."
        )
    if "\0" in given:
        raise UserError(f"{key} is {given!r}, which has a NUL: no path has one. Remove it.")


def user_path(key: str, given: str) -> Path:
    """Returns the absolute path that the value of `key` names, relative to the project's root.

    Raises:
        UserError: it can't be a path, its home folder is unknown, or the system can't look it up,
            for another reason than that nothing is there.
    """
    check_path(key, given)
    try:
        path = Path(os.path.normpath(project_root() / Path(given).expanduser()))
    except RuntimeError:
        raise UserError(
            f"{key} is {given!r}, but there is no home folder of that user. Write it out."
        ) from None
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        if getattr(error, "winerror", None) == INVALID_NAME:
            return path
        raise UserError(
            f"{key} is {given!r}, but {str(path)!r} cannot be read ({error.strerror}). Give a path "
            "that this user can read, or change its permissions."
        ) from None
    return path


def unicode_name(name: str) -> str:
    """Returns a name with each byte that is not UTF-8 as `%E9`: manifests and records are UTF-8."""
    return re.sub("[\ud800-\udfff]", lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)
