"""Finds repeats among millions of keys, in memory that hardly grows with their number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

KEY_BYTES = 20
BUCKETS = 64
KEY = numpy.dtype([("key", f"S{KEY_BYTES}"), ("row", "<u8")])

Entries = numpy.ndarray[Any, Any]


class Buckets:
    """Entries whose first field is a `key`, in files by its first byte, each sorted alone."""

    def __init__(self, folder: Path, dtype: numpy.dtype[Any]) -> None:
        self.dtype = dtype
        self._files = [(folder / f"keys-{number:02d}.bin").open("wb") for number in range(BUCKETS)]

    def add(self, entries: Entries) -> None:
        """Adds entries, in any order."""
        raw = numpy.frombuffer(entries.tobytes(), numpy.uint8)
        first = raw[:: self.dtype.itemsize] // (256 // BUCKETS)
        order = numpy.argsort(first, kind="stable")
        ends = numpy.searchsorted(first[order], numpy.arange(BUCKETS + 1))
        for number, file in enumerate(self._files):
            file.write(entries[order[ends[number] : ends[number + 1]]].tobytes())

    def sorted(self) -> Iterator[Entries]:
        """Yields the entries sorted by key, a bucket at a time; equal keys in the order they were
        added.
        """
        for file in self._files:
            file.close()
        for file in self._files:
            entries = numpy.fromfile(file.name, self.dtype)
            Path(file.name).unlink()
            yield entries[numpy.argsort(entries["key"], kind="stable")]


class DuplicateFinder:
    """Finds the rows whose key came before. Memory holds one bit per row."""

    def __init__(self, folder: Path) -> None:
        self._buckets = Buckets(folder, KEY)
        self.rows = 0
        self.keys = 0

    def add(self, keys: bytes, wanted: Entries, rows: int) -> None:
        """Adds the keys (KEY_BYTES each) of the `wanted` places among the next `rows` rows."""
        entries = numpy.empty(len(wanted), KEY)
        entries["key"] = numpy.frombuffer(keys, f"S{KEY_BYTES}")
        entries["row"] = wanted + self.rows
        self.rows += rows
        self.keys += len(wanted)
        self._buckets.add(entries)

    def find(self) -> Entries:
        """Returns a bit for each row (packed, little-endian), set where its key came before."""
        bits = numpy.zeros(self.rows // 8 + 1, numpy.uint8)
        for entries in self._buckets.sorted():
            again = numpy.zeros(len(entries), bool)
            again[1:] = entries["key"][1:] == entries["key"][:-1]
            rows = entries["row"][again]
            numpy.bitwise_or.at(
                bits, (rows >> 3).astype(numpy.int64), 1 << (rows & 7).astype(numpy.uint8)
            )
        return bits
