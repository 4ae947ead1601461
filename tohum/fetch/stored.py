"""Finds contents from earlier downloads by the keys of their rows.

It looks in the archives of data/raw, and in the archives and journals of an unfinished download.
The index is on disk, sorted by key: 56 bytes for each content, none of them in memory.
"""

import hashlib
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy
import orjson

from tohum.errors import UserError
from tohum.fetch.addresses import public_url_sha1
from tohum.fetch.journal import scan
from tohum.formats.raw import BLOCK, MANIFEST, RawFile, find_facts
from tohum.repeats import KEY_BYTES, Buckets

FETCHED_CONTENTS = ("software_heritage", "url")  # fetched, not contained in rows
KEPT_KIND = 0  # in a journal
PLACE = numpy.dtype([("file", "<u4"), ("offset", "<u8"), ("size", "<u8"), ("sha1", "V20")])
ENTRY = numpy.dtype([("key", f"S{KEY_BYTES}"), ("place", PLACE)])
KEY_DIGITS = 2 * KEY_BYTES  # of a key in hex, the name of a file in an archive
MOST_OPEN_FILES = 32
AT_ONCE = 4096

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a content is: the number of a file, where it begins, its size, and its SHA-1; empty for
    a journal, whose contents are already checked.
    """

    file: int
    offset: int
    size: int
    sha1: bytes


class Stored:
    """The contents in `raws`, folders like data/raw, and in `journals`; the first for a key counts.

    `folder` is for the index. A raw folder may be unfinished: what is listed and complete is taken.
    """

    def __init__(self, folder: Path, raws: list[Path], journals: list[Path]) -> None:
        self._paths: list[Path] = []
        self._open: dict[int, IO[bytes]] = {}
        self._damaged: set[int] = set()
        folder.mkdir(parents=True, exist_ok=True)
        buckets = Buckets(folder, ENTRY)
        for found in (*map(self._in_raw, raws), *map(self._in_journal, journals)):
            while entries := list(islice(found, AT_ONCE)):
                buckets.add(numpy.array(entries, ENTRY))
        self.count = 0
        with (folder / "keys").open("wb") as keys, (folder / "places").open("wb") as places:
            for part in buckets.sorted():
                keys.write(part["key"].tobytes())
                places.write(part["place"].tobytes())
                self.count += len(part)
        if self.count:
            self._keys = numpy.memmap(folder / "keys", f"S{KEY_BYTES}", "r")
            self._places = numpy.memmap(folder / "places", PLACE, "r")

    def _in_raw(self, raw: Path) -> Iterator[tuple[bytes, tuple[int, int, int, bytes]]]:
        """Yields the keys and places of the files in the archives of a raw folder."""
        facts = find_facts(raw / "rows") or {}
        if facts.get("content") not in FETCHED_CONTENTS or not (raw / MANIFEST).is_file():
            return
        sizes = {path.name: path.stat().st_size for path in raw.glob("*.tar")}
        numbers = {name: self._number(raw / name) for name in sizes}
        bad = 0
        with (raw / MANIFEST).open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # cut off
                try:
                    file = RawFile(**orjson.loads(line))
                    id, start, size = bytes.fromhex(file.id), int(file.offset), int(file.bytes)
                    url = public_url_sha1(file.url) if file.url else None
                except (ValueError, TypeError, AttributeError):
                    bad += 1
                    continue
                there = sizes.get(file.archive, 0)
                if len(id) == KEY_BYTES and start >= BLOCK and 0 <= size <= there - start:
                    place = (numbers[file.archive], start, size, id)
                    yield id, place
                    if url:
                        yield url, place
        if bad:
            log.warning("%s: %d lines are damaged: their files are not used", raw / MANIFEST, bad)

    def _in_journal(self, path: Path) -> Iterator[tuple[bytes, tuple[int, int, int, bytes]]]:
        number = self._number(path)
        with path.open("rb") as file:
            for _, kind, start, length in scan(path):
                if kind == KEPT_KIND:
                    file.seek(start)
                    key = file.read(KEY_BYTES)
                    yield key, (number, start + KEY_BYTES, length - KEY_BYTES, bytes(20))

    def _number(self, path: Path) -> int:
        self._paths.append(path)
        return len(self._paths) - 1

    def find(self, keys: bytes) -> dict[int, Place]:
        """Returns where the stored contents are, by the place of their key among `keys`."""
        if not self.count or not keys:
            return {}
        wanted = numpy.frombuffer(keys, f"S{KEY_BYTES}")
        at = numpy.minimum(numpy.searchsorted(self._keys, wanted), self.count - 1)
        found = numpy.flatnonzero(self._keys[at] == wanted)
        places: Any = self._places[at[found]].tolist()
        return {int(row): Place(*place) for row, place in zip(found, places, strict=True)}

    def is_intact(self, key: bytes, place: Place) -> bool:
        """Whether a place that was found for a key still has the content of that key.

        An archive names each file by the key of its row. So it shows, too, whether the manifest
        has another content's place or URL.
        """
        if not any(place.sha1):
            return True
        name, content = self._bytes(place, BLOCK)[:KEY_DIGITS], self._bytes(place)
        intact = hashlib.sha1(content).digest() == place.sha1
        intact = intact and name in (key.hex().encode(), place.sha1.hex().encode())
        if not intact and place.file not in self._damaged:
            self._damaged.add(place.file)
            log.warning(
                "%s, or the manifest.jsonl beside it, is damaged: what the file at byte %d holds "
                "is fetched again, and so is everything else damaged in it",
                self._paths[place.file],
                place.offset,
            )
        return intact

    def _bytes(self, place: Place, before: int = 0) -> bytes:
        """Returns the bytes of a content, or those `before` it."""
        file = self._open.get(place.file)
        if file is None:
            if len(self._open) >= MOST_OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            file = self._open[place.file] = self._paths[place.file].open("rb", 0)
        file.seek(place.offset - before)
        return file.read(before or place.size)

    def read(self, place: Place) -> bytes:
        """Returns a content.

        Raises:
            UserError: it doesn't have its SHA-1.
        """
        content = self._bytes(place)
        if any(place.sha1) and hashlib.sha1(content).digest() != place.sha1:
            raise UserError(
                f"{self._paths[place.file]} is damaged: the file at byte {place.offset} has the "
                f"SHA-1 {hashlib.sha1(content).hexdigest()}, expected {place.sha1.hex()}. Delete "
                "it, and run `dvc repro` again: its contents are fetched again."
            )
        return content

    def close(self) -> None:
        """Closes the files."""
        for file in self._open.values():
            file.close()
