"""Lists a remote: every object with its size, and its MD5 if the service has one."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.commands.share.object_hashes import named_by

MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Held:
    """An object on a remote. Sizes and hashes that the service does not have are None."""

    path: str
    size: int | None
    md5: str | None

    def differs(self, oid: str, size: int | None) -> bool:
        """Returns whether it certainly differs from its name: an object is named by its MD5."""
        if self.md5 is not None and self.md5 != named_by(oid):
            return True
        return None not in (size, self.size) and size != self.size


def list_remote(odb: Any) -> dict[str, Held]:
    """Lists all objects of a remote; downloads none.

    On Drive this takes three requests, and one more per thousand objects.
    """
    held = {}
    for path, facts in _files(odb):
        try:
            oid = odb.path_to_oid(path)
        except ValueError:  # something else
            continue
        held[oid] = Held(path, facts.get("size"), _md5(facts))
    return held


def _files(odb: Any) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yields the path and facts of each file; DVC's local file system has no facts."""
    if odb.fs.protocol == "local":
        return ((path, {"size": Path(path).stat().st_size}) for path in odb.fs.find(odb.path))
    try:
        found: dict[str, dict[str, Any]] = odb.fs.fs.find(odb.path, detail=True)
    except FileNotFoundError:  # nothing was pushed to it yet
        return ()
    return found.items()


def _md5(facts: dict[str, Any]) -> str | None:
    """Only Drive has one. S3's ETag looks like one, but is not for an encrypted object."""
    value = str(facts.get("checksum") or "")
    return value if MD5.fullmatch(value) else None


def hashed(held: Held) -> Held:
    """Returns what a file of a local remote really contains, with the MD5 of its bytes."""
    with Path(held.path).open("rb") as file:
        return Held(held.path, held.size, hashlib.file_digest(file, "md5").hexdigest())
