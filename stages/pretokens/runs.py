"""Sorted runs of a table on disk, and their merge, for counts that do not fit in memory.

A run is a file of pages of at most BATCH_ENTRIES rows: the number of rows and bytes (two
little-endian int64), then the lengths, counts and bytes of a PretokenRows.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

import numpy

from stages.pretokens.counter import BATCH_ENTRIES, compare
from tohum.files import atomic_write
from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel
from tohum.kernels.heap import sift_down, sift_up

FAN_IN = 128  # runs merged at once: about 15 MB of buffers with pages of 4,096 rows
HEADER = numpy.dtype("<i8")
FULL = -1


def write_run(path: Path, batches: Iterable[PretokenRows]) -> None:
    """Writes batches of at most BATCH_ENTRIES rows, in ascending order, to a run."""
    with atomic_write(path) as file:
        for batch in batches:
            file.write(numpy.array([len(batch.counts), len(batch.data)], HEADER).tobytes())
            for array in (batch.lengths, batch.counts, batch.data):
                file.write(array.tobytes())


def _read_page(file: IO[bytes]) -> PretokenRows | None:
    header = file.read(16)
    if not header:
        return None
    rows, size = numpy.frombuffer(header, HEADER).tolist()
    lengths = numpy.frombuffer(file.read(4 * rows), numpy.int32)
    counts = numpy.frombuffer(file.read(8 * rows), numpy.int64)
    return PretokenRows(numpy.frombuffer(file.read(size), numpy.uint8), lengths, counts)


def merge_all(paths: list[Path], folder: Path) -> Iterator[PretokenRows]:
    """Yields the rows of all runs in ascending order, with the counts of equal pretokens added up.

    More than FAN_IN runs are first merged into longer ones in `folder`, deleted once merged.
    """
    waiting, level = list(paths), 0
    while len(waiting) > FAN_IN:
        group, waiting = waiting[:FAN_IN], waiting[FAN_IN:]
        longer = folder / f"merged-{level:05d}.run"
        write_run(longer, merge(group))
        waiting.append(longer)
        for path in group:
            if path.name.startswith("merged-"):
                path.unlink()
        level += 1
    yield from merge(waiting)


def merge(paths: list[Path]) -> Iterator[PretokenRows]:
    """Yields the rows of at most FAN_IN runs in ascending order, with equal pretokens added up."""
    if not paths:
        return
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        heads, heap, merged = new_heads(len(files)), numpy.zeros(len(files), numpy.int64), _Merged()
        size = 0
        for run, file in enumerate(files):
            heads, loaded = load(heads, run, _read_page(file))
            if loaded:
                push(heap, size, run, heads)
                size += 1
        while size:
            run, size = merge_pages(heap, size, heads, merged.rows)
            if run == FULL:
                yield merged.take()
                continue
            heads, loaded = load(heads, run, _read_page(files[run]))
            if loaded:
                push(heap, size, run, heads)
                size += 1
        yield merged.take()


class Heads(NamedTuple):
    """The current page of each run, and the current row in it.

    data: the bytes of the pages, uint8 (runs, bytes)
    lengths, counts: of their rows, int32 and int64 (runs, BATCH_ENTRIES)
    rows: how many rows the page has, int64 (runs,), as are the next two
    row, start: the current row, and where its bytes are in `data`
    prefix: the first 8 bytes of that row as a number, uint64 (runs,)
    """

    data: Array
    lengths: Array
    counts: Array
    rows: Array
    row: Array
    start: Array
    prefix: Array


def new_heads(runs: int) -> Heads:
    """Returns the heads of runs before any page has been read."""
    return Heads(
        numpy.empty((runs, 1 << 16), numpy.uint8),
        numpy.empty((runs, BATCH_ENTRIES), numpy.int32),
        numpy.empty((runs, BATCH_ENTRIES), numpy.int64),
        rows=numpy.zeros(runs, numpy.int64),
        row=numpy.zeros(runs, numpy.int64),
        start=numpy.zeros(runs, numpy.int64),
        prefix=numpy.zeros(runs, numpy.uint64),
    )


def load(heads: Heads, run: int, page: PretokenRows | None) -> tuple[Heads, bool]:
    """Makes the next page of a run the current one; returns the heads, and whether there is one."""
    if page is None:
        return heads, False
    rows, size = len(page.counts), len(page.data)
    if size > heads.data.shape[1]:
        wider = numpy.empty((len(heads.data), size), numpy.uint8)
        wider[:, : heads.data.shape[1]] = heads.data
        heads = heads._replace(data=wider)
    heads.data[run, :size] = page.data
    heads.lengths[run, :rows] = page.lengths
    heads.counts[run, :rows] = page.counts
    heads.rows[run], heads.row[run], heads.start[run] = rows, 0, 0
    heads.prefix[run] = prefix_at(heads.data[run], 0, int(page.lengths[0]))
    return heads, True


class MergedRows(NamedTuple):
    """Arrays like those of a table's rows, and `used`, int64 (2,): how many rows and bytes."""

    data: Array
    lengths: Array
    counts: Array
    used: Array


class _Merged:
    """Rows that are merged but not yet taken."""

    def __init__(self) -> None:
        self.rows = MergedRows(
            numpy.empty(1 << 18, numpy.uint8),
            numpy.empty(BATCH_ENTRIES, numpy.int32),
            numpy.empty(BATCH_ENTRIES, numpy.int64),
            numpy.zeros(2, numpy.int64),
        )

    def take(self) -> PretokenRows:
        """Returns the rows and makes room; with no rows to return, the room was too small for one
        pretoken, and doubles.
        """
        data, lengths, counts, used = self.rows
        rows, size = used.tolist()
        if not rows:
            self.rows = self.rows._replace(data=numpy.empty(2 * len(data), numpy.uint8))
        used[:] = 0
        return PretokenRows(data[:size].copy(), lengths[:rows].copy(), counts[:rows].copy())


@kernel
def prefix_at(data: Array, start: Integer, length: Integer) -> Integer:
    """Returns the first 8 bytes of a pretoken as a big-endian number, padded with zeros."""
    prefix = numpy.uint64(0)
    for offset in range(8):
        byte = numpy.uint64(data[start + offset]) if offset < length else numpy.uint64(0)
        prefix = prefix << numpy.uint64(8) | byte
    return prefix


@inlined
def comes_before(one: Integer, other: Integer, heads: Heads) -> bool:
    """Whether one run's row comes before another's; the earlier run wins among equal rows."""
    if heads.prefix[one] != heads.prefix[other]:
        return bool(heads.prefix[one] < heads.prefix[other])
    order = compare(
        heads.data[one],
        heads.start[one],
        heads.lengths[one, heads.row[one]],
        heads.data[other],
        heads.start[other],
        heads.lengths[other, heads.row[other]],
    )
    return bool(order < 0 or (order == 0 and one < other))


@kernel
def push(heap: Array, size: Integer, run: Integer, heads: Heads) -> None:
    """Adds a run to a heap of `size` runs; the run at the top has the first row."""
    sift_up(heap, size, run, comes_before, heads)


@inlined
def add_row(heads: Heads, run: Integer, last_prefix: Integer, merged: MergedRows) -> bool:
    """Adds a run's current row, or just its count if the last row has the same pretoken; returns
    whether there was room.
    """
    rows, end = merged.used
    row, at = heads.row[run], heads.start[run]
    length = numpy.int64(heads.lengths[run, row])
    if rows and heads.prefix[run] == last_prefix:
        last = numpy.int64(merged.lengths[rows - 1])
        if compare(merged.data, end - last, last, heads.data[run], at, length) == 0:
            merged.counts[rows - 1] += heads.counts[run, row]
            return True
    if rows == len(merged.lengths) or end + length > len(merged.data):
        return False
    for offset in range(length):
        merged.data[end + offset] = heads.data[run, at + offset]
    merged.lengths[rows], merged.counts[rows] = length, heads.counts[run, row]
    merged.used[0], merged.used[1] = rows + 1, end + length
    return True


@kernel
def merge_pages(
    heap: Array, size: Integer, heads: Heads, merged: MergedRows
) -> tuple[Integer, Integer]:
    """Merges until a run's page ends (returns the run, which has left the heap) or there is no room
    for another row (returns FULL); the second number is the heap's size.
    """
    rows, end = merged.used
    last_prefix = numpy.uint64(0)
    if rows:
        length = merged.lengths[rows - 1]
        last_prefix = prefix_at(merged.data, end - length, length)
    while True:
        run = heap[0]
        if not add_row(heads, run, last_prefix, merged):
            return numpy.int64(FULL), size
        last_prefix = heads.prefix[run]
        heads.start[run] += heads.lengths[run, heads.row[run]]
        heads.row[run] += 1
        if heads.row[run] == heads.rows[run]:
            size -= 1
            if size:
                sift_down(heap, size, heap[size], comes_before, heads)
            return run, size
        length = heads.lengths[run, heads.row[run]]
        heads.prefix[run] = prefix_at(heads.data[run], heads.start[run], length)
        sift_down(heap, size, run, comes_before, heads)
