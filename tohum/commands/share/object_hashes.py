"""The MD5 of files, by which DVC names objects: several at once, and hard links once."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_ONCE = 8  # files; hashing leaves Python to other threads


def named_by(oid: str) -> str:
    """Returns the MD5 that an object's bytes must have."""
    return oid.removesuffix(".dir")


def md5_of(path: Path) -> str | None:
    """Returns the MD5 of a file's bytes in hex, or None if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except OSError:
        return None


def md5s(
    paths: Iterable[Path], done: Callable[[int], object] = lambda size: None
) -> dict[Path, str | None]:
    """Returns the MD5 of each file that is there; `done` is called with the size of each hashed."""
    links: dict[tuple[int, int], list[Path]] = {}
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        file = (status.st_dev, status.st_ino) if status.st_ino else (-1, len(links))
        links.setdefault(file, []).append(path)
        sizes[file] = status.st_size
    found: dict[Path, str | None] = {}
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        hashes = pool.map(md5_of, [same[0] for same in links.values()])
        for (file, same), md5 in zip(links.items(), hashes, strict=True):
            found |= dict.fromkeys(same, md5)
            done(sizes[file])
    return found
