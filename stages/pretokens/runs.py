"""Sorted runs of a table on disk, and their merge: what does not fit in memory is counted in parts.

A run is a file of blocks, each of at most BLOCK_ROWS rows: the number of rows and of bytes (two
little-endian int64), then the lengths, the counts and the bytes of a Batch.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy

from stages.pretokens.counter import BATCH_ENTRIES, compare
from tohum.files import atomic_write
from tohum.formats.pretoken_table import Batch
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel

FAN_IN = 128  # runs merged at once: with blocks of 4,096 rows some 15 MB of buffers
HEADER = numpy.dtype("<i8")
FULL = -1


def write_run(path: Path, batches: Iterable[Batch]) -> None:
    """Writes batches of at most BATCH_ENTRIES rows, in ascending order, to a run."""
    with atomic_write(path) as file:
        for batch in batches:
            file.write(numpy.array([len(batch.counts), len(batch.data)], HEADER).tobytes())
            for array in (batch.lengths, batch.counts, batch.data):
                file.write(array.tobytes())


def _read_block(file: IO[bytes]) -> Batch | None:
    header = file.read(16)
    if not header:
        return None
    rows, size = numpy.frombuffer(header, HEADER).tolist()
    lengths = numpy.frombuffer(file.read(4 * rows), numpy.int32)
    counts = numpy.frombuffer(file.read(8 * rows), numpy.int64)
    return Batch(numpy.frombuffer(file.read(size), numpy.uint8), lengths, counts)


def merge_all(paths: list[Path], folder: Path) -> Iterator[Batch]:
    """Yields the rows of all runs in ascending order, the counts of equal pretokens added up.

    More than FAN_IN runs are first merged to longer ones, in `folder`, and deleted.
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


def merge(paths: list[Path]) -> Iterator[Batch]:
    """Yields the rows of at most FAN_IN runs in ascending order, equal pretokens added up."""
    if not paths:
        return
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        blocks = _Blocks(len(files))
        coming = [run for run, file in enumerate(files) if blocks.load(run, _read_block(file))]
        for run in coming:
            push(blocks.heap, blocks.size, run, *blocks.rows_at())
        merged = _Merged()
        while blocks.size[0]:
            run = merge_blocks(
                blocks.heap,
                blocks.size,
                *blocks.rows_at(),
                blocks.counts,
                blocks.rows,
                merged.data,
                merged.lengths,
                merged.counts,
                merged.used,
            )
            if run == FULL:
                yield merged.take()
            elif blocks.load(run, _read_block(files[run])):
                push(blocks.heap, blocks.size, run, *blocks.rows_at())
        yield merged.take()


class _Blocks:
    """The block in hand of each run, the row it stands at, and a heap of the runs by that row."""

    def __init__(self, runs: int) -> None:
        self.data = numpy.empty((runs, 1 << 16), numpy.uint8)
        self.lengths = numpy.empty((runs, BATCH_ENTRIES), numpy.int32)
        self.counts = numpy.empty((runs, BATCH_ENTRIES), numpy.int64)
        self.rows = numpy.zeros(runs, numpy.int64)
        self.row = numpy.zeros(runs, numpy.int64)
        self.start = numpy.zeros(runs, numpy.int64)
        self.prefix = numpy.zeros(runs, numpy.uint64)
        self.heap = numpy.zeros(runs, numpy.int64)
        self.size = numpy.zeros(1, numpy.int64)

    def load(self, run: int, block: Batch | None) -> bool:
        """Takes the next block of a run; returns whether there is one."""
        if block is None:
            return False
        rows, size = len(block.counts), len(block.data)
        if size > self.data.shape[1]:
            wider = numpy.empty((len(self.data), size), numpy.uint8)
            wider[:, : self.data.shape[1]] = self.data
            self.data = wider
        self.data[run, :size] = block.data
        self.lengths[run, :rows] = block.lengths
        self.counts[run, :rows] = block.counts
        self.rows[run], self.row[run], self.start[run] = rows, 0, 0
        self.prefix[run] = prefix_at(self.data[run], 0, int(block.lengths[0]))
        return True

    def rows_at(self) -> tuple[Array, Array, Array, Array, Array]:
        """Returns what a comparison of two runs reads."""
        return self.data, self.lengths, self.row, self.start, self.prefix


class _Merged:
    """Rows that are merged and not yet taken."""

    def __init__(self) -> None:
        self.data = numpy.empty(1 << 18, numpy.uint8)
        self.lengths = numpy.empty(BATCH_ENTRIES, numpy.int32)
        self.counts = numpy.empty(BATCH_ENTRIES, numpy.int64)
        self.used = numpy.zeros(2, numpy.int64)  # rows, bytes

    def take(self) -> Batch:
        """Returns the rows and makes room; where there is none, for a pretoken that is longer than
        all the room.
        """
        rows, size = self.used.tolist()
        batch = Batch(
            self.data[:size].copy(), self.lengths[:rows].copy(), self.counts[:rows].copy()
        )
        if not rows:
            self.data = numpy.empty(2 * len(self.data), numpy.uint8)
        self.used[:] = 0
        return batch


@kernel
def prefix_at(data: Array, start: Integer, length: Integer) -> Integer:
    """Returns the first 8 bytes of a pretoken as a big-endian number, padded with zeros."""
    prefix = numpy.uint64(0)
    for offset in range(8):
        byte = numpy.uint64(data[start + offset]) if offset < length else numpy.uint64(0)
        prefix = prefix << numpy.uint64(8) | byte
    return prefix


@kernel
def before(
    one: Integer,
    other: Integer,
    data: Array,
    lengths: Array,
    row: Array,
    start: Array,
    prefix: Array,
) -> bool:
    """Whether the row of one run comes before that of another, or is equal and its run does."""
    if prefix[one] != prefix[other]:
        return bool(prefix[one] < prefix[other])
    order = compare(
        data[one],
        start[one],
        lengths[one, row[one]],
        data[other],
        start[other],
        lengths[other, row[other]],
    )
    return bool(order < 0 or (order == 0 and one < other))


@kernel
def push(
    heap: Array,
    size: Array,
    run: Integer,
    data: Array,
    lengths: Array,
    row: Array,
    start: Array,
    prefix: Array,
) -> None:
    """Adds a run to the heap."""
    at = size[0]
    size[0] += 1
    while at and before(run, heap[(at - 1) // 2], data, lengths, row, start, prefix):
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = run


@kernel
def sink(
    heap: Array,
    size: Array,
    run: Integer,
    data: Array,
    lengths: Array,
    row: Array,
    start: Array,
    prefix: Array,
) -> None:
    """Puts a run in place of the first one of the heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size[0]:
            break
        if child + 1 < size[0] and before(
            heap[child + 1], heap[child], data, lengths, row, start, prefix
        ):
            child += 1
        if before(run, heap[child], data, lengths, row, start, prefix):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = run


@kernel
def merge_blocks(
    heap: Array,
    size: Array,
    data: Array,
    lengths: Array,
    row: Array,
    start: Array,
    prefix: Array,
    counts: Array,
    rows: Array,
    merged_data: Array,
    merged_lengths: Array,
    merged_counts: Array,
    used: Array,
) -> Integer:
    """Merges until a run's block has ended (returns the run, which has left the heap), or there is
    no room for another row (FULL).
    """
    merged, end = used
    last_prefix = numpy.uint64(0)
    if merged:
        length = merged_lengths[merged - 1]
        last_prefix = prefix_at(merged_data, end - length, length)
    while True:
        run = heap[0]
        length, at = numpy.int64(lengths[run, row[run]]), start[run]
        same = merged > 0 and prefix[run] == last_prefix
        if same:
            last = numpy.int64(merged_lengths[merged - 1])
            same = compare(merged_data, end - last, last, data[run], at, length) == 0
        if same:
            merged_counts[merged - 1] += counts[run, row[run]]
        else:
            if merged == len(merged_lengths) or end + length > len(merged_data):
                used[0], used[1] = merged, end
                return FULL
            for offset in range(length):
                merged_data[end + offset] = data[run, at + offset]
            merged_lengths[merged], merged_counts[merged] = length, counts[run, row[run]]
            last_prefix = prefix[run]
            merged += 1
            end += length
        row[run] += 1
        start[run] += length
        if row[run] < rows[run]:
            prefix[run] = prefix_at(data[run], start[run], lengths[run, row[run]])
            sink(heap, size, run, data, lengths, row, start, prefix)
            continue
        size[0] -= 1
        if size[0]:
            sink(heap, size, heap[size[0]], data, lengths, row, start, prefix)
        used[0], used[1] = merged, end
        return run
