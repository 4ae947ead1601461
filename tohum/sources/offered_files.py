"""Files that a source offers with their hashes, which are checked when the files are read."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tohum.errors import UserError
from tohum.files import fresh
from tohum.foresight import require_disk
from tohum.formats.raw import FACTS, RawFile, write_raw
from tohum.sources.destination import Destination

log = logging.getLogger(__name__)


@dataclass
class OfferedFile:
    """A file on this machine, with its SHA-256 (hex) from the source and its size in bytes."""

    location: Path
    path: str
    repo: str
    source: str
    license: str | None
    sha256: str
    size: int
    remedy: str  # what to do when the hash differs


def sample(offered: list[OfferedFile], max_bytes: int, left_out: Counter[str]) -> list[OfferedFile]:
    """Returns the files in the order of their paths, at most `max_bytes` in total.

    Above the cap, the files with the smallest hashes stay: a uniform sample that needs no seed and
    stays nearly the same when the source grows.
    """
    kept: list[OfferedFile] = []
    total = 0
    for file in sorted(offered, key=lambda item: (item.sha256, item.repo, item.path)):
        if total + file.size > max_bytes:
            left_out["above max_bytes"] += 1
            continue
        total += file.size
        kept.append(file)
    return sorted(kept, key=lambda item: (item.repo, item.path))


def verified(file: OfferedFile) -> tuple[RawFile, bytes]:
    """Reads an offered file.

    Raises:
        UserError: it cannot be read, or its bytes do not have the source's SHA-256.
    """
    try:
        content = file.location.read_bytes()
    except OSError as error:
        raise UserError(
            f"{file.location} cannot be read ({error.strerror}). {file.remedy}"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise UserError(
            f"{file.location} has the SHA-256 {found}, expected {file.sha256}: the file "
            f"was changed. {file.remedy}"
        )
    return as_raw(file, content), content


def as_raw(file: OfferedFile, content: bytes) -> RawFile:
    """Returns the entry in data/raw's manifest of an offered file, whose bytes are checked."""
    return RawFile(
        path=file.path,
        id=hashlib.sha1(content).hexdigest(),
        sha256=file.sha256,
        bytes=len(content),
        source=file.source,
        repo=file.repo,
        license=file.license,
    )


def write_offered(
    kind: str,
    offered: list[OfferedFile],
    max_bytes: int,
    left_out: Counter[str],
    destination: Destination,
    read: Callable[[OfferedFile], tuple[RawFile, bytes] | None] = verified,
) -> None:
    """Reads and verifies the files, at most `max_bytes` in total, and writes them.

    Args:
        kind: the source's.
        left_out: what the source has already left out, by reason; the counts are increased.
        read: reads one of them; None for one that is left out after all.

    Raises:
        UserError: there are no files, or one is not what its source says.
    """
    chosen = sample(offered, max_bytes, left_out)
    folder = fresh(destination.folder)
    needed = sum(file.size for file in chosen)
    require_disk("download", needed, folder, "the copies of the files")
    written = write_raw(folder, kind, filter(None, map(read, chosen)), left_out)
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    summary = f"; left out: {counts}" if counts else ""
    if not written.files:
        (folder / FACTS).unlink()  # a folder with source.json is a finished download
        raise UserError(
            f"the source has no files to train on{summary}. Check `{destination.section}` in "
            "params.lock.yaml, and change it in params.yaml."
        )
    log.info("%d files, %.1f MB, each verified%s", written.files, written.bytes / 1e6, summary)
