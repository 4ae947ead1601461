"""Merges sorted runs: their rows in one order, with the counts of equal pretokens added up."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import numpy

from stages.pretokens.counter import BATCH_ENTRIES, compare
from stages.pretokens.runs import ALL_KEYS, KeyRange, key_at, read_run, write_run
from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel
from tohum.kernels.heap import sift_down, sift_up

FULL = -1


def merge_all(
    paths: list[Path], fan_in: int, longer: Path, keys: KeyRange
) -> Iterator[PretokenRows]:
    """Yields the rows of all runs in ascending order, with the counts of equal pretokens added up.

    Args:
        fan_in: how many runs are merged at once, at least 2; more are first merged into longer
            ones. With pages of 4,096 rows, 128 take about 30 MB of memory.
        longer: the folder for those, which are deleted once merged.
        keys: only rows with these are merged.
    """
    waiting, level = list(paths), 0
    while len(waiting) > fan_in:
        group, waiting = waiting[:fan_in], waiting[fan_in:]
        made = longer / f"{level:05d}.run"
        write_run(made, merge(group, keys))
        waiting.append(made)
        for path in group:
            if path.parent == longer:
                path.unlink()
        level += 1
    yield from merge(waiting, keys)


def merge(paths: list[Path], keys: KeyRange = ALL_KEYS) -> Iterator[PretokenRows]:
    """Yields the rows of runs in ascending order, with equal pretokens added up; every run is open,
    with a page in memory.
    """
    if not paths:
        return
    with ExitStack() as stack:
        pages = [stack.enter_context(closing(read_run(path, keys))) for path in paths]
        heads, heap, merged = new_heads(len(pages)), numpy.zeros(len(pages), numpy.int64), _Merged()
        size = 0
        for run, of_run in enumerate(pages):
            heads, loaded = load(heads, run, next(of_run, None))
            if loaded:
                push(heap, size, run, heads)
                size += 1
        while size:
            run, size = merge_pages(heap, size, heads, merged.rows)
            if run == FULL:
                yield merged.take()
                continue
            heads, loaded = load(heads, run, next(pages[run], None))
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
    key: the key of that row, uint64 (runs,)
    """

    data: Array
    lengths: Array
    counts: Array
    rows: Array
    row: Array
    start: Array
    key: Array


def new_heads(runs: int) -> Heads:
    """Returns the heads of runs before any page has been read."""
    return Heads(
        numpy.empty((runs, 1 << 16), numpy.uint8),
        numpy.empty((runs, BATCH_ENTRIES), numpy.int32),
        numpy.empty((runs, BATCH_ENTRIES), numpy.int64),
        rows=numpy.zeros(runs, numpy.int64),
        row=numpy.zeros(runs, numpy.int64),
        start=numpy.zeros(runs, numpy.int64),
        key=numpy.zeros(runs, numpy.uint64),
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
    heads.key[run] = key_at(heads.data[run], 0, int(page.lengths[0]))
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


@inlined
def comes_before(one: Integer, other: Integer, heads: Heads) -> bool:
    """Whether one run's row comes before another's; the earlier run wins among equal rows."""
    if heads.key[one] != heads.key[other]:
        return bool(heads.key[one] < heads.key[other])
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
def add_row(heads: Heads, run: Integer, last_key: Integer, merged: MergedRows) -> bool:
    """Adds a run's current row, or just its count if the last row has the same pretoken; returns
    whether there was room.
    """
    rows, end = merged.used
    row, at = heads.row[run], heads.start[run]
    length = numpy.int64(heads.lengths[run, row])
    if rows and heads.key[run] == last_key:
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
    last_key = numpy.uint64(0)
    if rows:
        length = merged.lengths[rows - 1]
        last_key = key_at(merged.data, end - length, length)
    while True:
        run = heap[0]
        if not add_row(heads, run, last_key, merged):
            return numpy.int64(FULL), size
        last_key = heads.key[run]
        heads.start[run] += heads.lengths[run, heads.row[run]]
        heads.row[run] += 1
        if heads.row[run] == heads.rows[run]:
            size -= 1
            if size:
                sift_down(heap, size, heap[size], comes_before, heads)
            return run, size
        length = heads.lengths[run, heads.row[run]]
        heads.key[run] = key_at(heads.data[run], heads.start[run], length)
        sift_down(heap, size, run, comes_before, heads)
