"""Sorted runs of a table on disk, for counts that do not fit in memory, and ranges of their rows.

A run is a file of pages of at most BATCH_ENTRIES rows: the number of rows and bytes (two
little-endian int64), then the lengths, counts and bytes of a PretokenRows. At its end are the key
of each page's first row (uint64), where each page begins (int64), and the number of pages (int64).
The key of a row is its first 8 bytes as a big-endian number, padded with zeros, so keys have the
order of rows, and equal pretokens have equal keys.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterable
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import numpy

from tohum.files import atomic_write
from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel

NUMBER, KEY = numpy.dtype("<i8"), numpy.dtype("<u8")
RANGE_BYTES = 64_000_000  # of runs, for a range of keys
MOST_SAMPLED = 256  # runs whose pages show where a range has to end


class KeyRange(NamedTuple):
    """The keys from `start` on that are below `end`."""

    start: int
    end: int


ALL_KEYS = KeyRange(0, 1 << 64)


def write_run(path: Path, batches: Iterable[PretokenRows]) -> None:
    """Writes batches of at most BATCH_ENTRIES rows, in ascending order, to a run."""
    keys: list[int] = []
    places: list[int] = []
    with atomic_write(path, sync=False) as file:
        for batch in batches:
            if not len(batch.counts):
                continue
            keys.append(_key_of(batch, 0))
            places.append(file.tell())
            file.write(numpy.array([len(batch.counts), len(batch.data)], NUMBER).tobytes())
            for array in (batch.lengths, batch.counts, batch.data):
                file.write(array.tobytes())
        file.write(numpy.array(keys, KEY).tobytes())
        file.write(numpy.array([*places, len(places)], NUMBER).tobytes())


def read_run(path: Path, wanted: KeyRange = ALL_KEYS) -> Generator[PretokenRows]:
    """Yields the rows of a run whose keys are in a range, a page at a time."""
    with path.open("rb") as file:
        keys, places = _read_index(file)
        first = max(0, bisect_left(keys, wanted.start) - 1)  # the page before may have some too
        last = bisect_left(keys, wanted.end) - 1
        for number in range(first, last + 1):
            file.seek(places[number])
            page = _read_page(file)
            if number in (first, last):
                page = _within(page, wanted)
            if len(page.counts):
                yield page


def _read_index(file: IO[bytes]) -> tuple[list[int], list[int]]:
    """Returns the key and the place of each page."""
    end = file.seek(-NUMBER.itemsize, 2)
    pages = int(numpy.frombuffer(file.read(), NUMBER)[0])
    file.seek(end - 2 * NUMBER.itemsize * pages)
    keys = numpy.frombuffer(file.read(KEY.itemsize * pages), KEY)
    places = numpy.frombuffer(file.read(NUMBER.itemsize * pages), NUMBER)
    return keys.tolist(), places.tolist()


def _read_page(file: IO[bytes]) -> PretokenRows:
    rows, size = numpy.frombuffer(file.read(16), NUMBER).tolist()
    lengths = numpy.frombuffer(file.read(4 * rows), numpy.int32)
    counts = numpy.frombuffer(file.read(8 * rows), numpy.int64)
    return PretokenRows(numpy.frombuffer(file.read(size), numpy.uint8), lengths, counts)


def _within(page: PretokenRows, wanted: KeyRange) -> PretokenRows:
    """Returns the rows of a page whose keys are in a range."""
    ends = numpy.cumsum(page.lengths, dtype=numpy.int64)
    starts = ends - page.lengths
    first, last = (
        bisect_left(range(len(starts)), key, key=lambda row: _key_of(page, int(starts[row]), row))
        for key in wanted
    )
    if first >= last:
        return PretokenRows(page.data[:0], page.lengths[:0], page.counts[:0])
    data = page.data[starts[first] : ends[last - 1]]
    return PretokenRows(data, page.lengths[first:last], page.counts[first:last])


def _key_of(page: PretokenRows, start: int, row: int = 0) -> int:
    """Returns the key of a row, whose bytes begin at `start`."""
    return int(key_at(page.data, start, int(page.lengths[row])))


@kernel
def key_at(data: Array, start: Integer, length: Integer) -> Integer:
    """Returns the key of a pretoken."""
    key = numpy.uint64(0)
    for offset in range(8):
        byte = numpy.uint64(data[start + offset]) if offset < length else numpy.uint64(0)
        key = key << numpy.uint64(8) | byte
    return key


def bytes_of_runs(paths: list[Path]) -> int:
    """Returns how large runs are together."""
    return sum(path.stat().st_size for path in paths)


def key_ranges(paths: list[Path]) -> list[KeyRange]:
    """Returns ranges, in order, that share out the rows of runs: each RANGE_BYTES of them or more,
    and about a page of each run or more, since a range opens every run and reads whole pages.
    """
    sampled = paths[:: 1 + len(paths) // MOST_SAMPLED]
    keys: list[int] = []
    for path in sampled:
        with path.open("rb") as file:
            keys += _read_index(file)[0]
    keys.sort()
    wanted = min(-(-bytes_of_runs(paths) // RANGE_BYTES), len(keys) // max(1, len(sampled)))
    cuts = {keys[number * len(keys) // wanted] for number in range(1, wanted)} if keys else set()
    bounds = [ALL_KEYS.start, *sorted(cuts - {ALL_KEYS.start}), ALL_KEYS.end]
    return [KeyRange(start, end) for start, end in pairwise(bounds)]
