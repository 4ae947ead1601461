"""The journals of attempts: on a cluster, each process that fetches a segment has its own.

A node that was given up may still write, so no two processes share a journal, and none but the
stage's own process touches the one that the archives are made of: it gathers what the others have.
"""

import logging
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from tohum.fetch.journal import Journal, journal_path, scan

NAME = re.compile(r"segment-(\d+)\.[^.]+\.journal")

log = logging.getLogger(__name__)


def journals_of(folder: Path, number: int) -> list[Path]:
    """Returns the journals of a segment, of all attempts."""
    whole = journal_path(folder, number)
    return [
        *([whole] if whole.exists() else []),
        *sorted(folder.glob(journal_path(folder, number, ".*").name)),
    ]


def done_places(journals: Iterable[Path], open_kinds: Collection[int]) -> set[int]:
    """Returns the places of a segment that have a result of any kind but the open ones."""
    return {index for path in journals for index, kind, *_ in scan(path) if kind not in open_kinds}


def gather(
    folder: Path,
    number: int,
    own: str | None,
    others: Collection[str],
    open_kinds: Collection[int],
) -> Journal:
    """Returns the journal of a segment, open for reading, with what its attempts have.

    Args:
        own: the name of the journal that the last attempt has written and closed, if any.
        others: the names of the earlier ones, which a node given up may still write.
    """
    path = journal_path(folder, number)
    if own is not None and not path.exists():
        (folder / own).rename(path)
        own = None
    journal = Journal(path)
    for name in (*others, *([own] if own is not None else [])):
        if name != path.name:
            _append(journal, folder / name, open_kinds)
    for left in journals_of(folder, number):
        if left != path:
            left.unlink(missing_ok=True)
    return journal


def gather_all(folder: Path, first: int, open_kinds: Collection[int]) -> None:
    """Gathers what attempts of a killed run have left, from segment `first` on."""
    left: dict[int, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if found := NAME.fullmatch(path.name):
            left.setdefault(int(found[1]), []).append(path.name)
    for number, names in left.items():
        if number >= first:
            gather(folder, number, None, names, open_kinds).close()
        else:
            for name in names:
                (folder / name).unlink(missing_ok=True)


def _append(journal: Journal, path: Path, open_kinds: Collection[int]) -> None:
    """Appends the results that a journal lacks, or has as open ones."""
    done = journal.places(open_kinds)
    with path.open("rb") as file:
        for index, kind, start, length in scan(path):
            if index in done or (kind in open_kinds and index in journal):
                continue
            file.seek(start)
            journal.append(index, kind, file.read(length))
