"""Counts pretokens in an open-addressing table over an arena of bytes.

An entry is four adjacent numbers, at most one cache line: the first 8 bytes of the pretoken as a
big-endian number (so numbers sort as the bytes do), where its bytes are in the arena, its length,
and its count. Nearly every comparison is between two pairs of integers.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy

from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel
from tohum.kernels.hashing import first_slot, long_key, shift_of, short_key
from tohum.kernels.text import PADDING, eights_of, text_arrays
from tohum.pretokenization.scanner import pretoken_end

PREFIX, START, LENGTH, COUNT = range(4)
ENTRY_BYTES = 96  # 32, up to 16 of slots, and the rest while the entries are sorted
FIRST_SLOTS = 1 << 16
MOST_ENTRIES = (1 << 31) - 1  # a slot holds the number of an entry in 32 bits
BATCH_ENTRIES = 4096


class Table(NamedTuple):
    """`slots`, int32, each 0 or the number of an entry, counted from 1; `entries`, uint64
    (entries, 4); `arena` and `eights`, the bytes of the pretokens, as in a Text; and `used`,
    int64 (2,): how many entries and bytes of the arena are in use.
    """

    slots: Array
    entries: Array
    arena: Array
    eights: Array
    used: Array


def new_table(slots: int, entries: int, arena: int) -> Table:
    """Returns an empty table with that many slots, a power of two, and room for entries and bytes.

    Its arrays have their final size from the start: the system only gives memory to pages that are
    written.
    """
    padded = numpy.empty(arena + len(PADDING), numpy.uint8)
    return Table(
        numpy.zeros(slots, numpy.int32),
        numpy.empty((entries, 4), numpy.uint64),
        padded[:arena],
        eights_of(padded),
        numpy.zeros(2, numpy.int64),
    )


class PretokenCounter:
    """A table that takes about `max_bytes` bytes of memory at most."""

    def __init__(
        self, pattern: int, classes: Array, max_pretoken_bytes: int, max_bytes: int
    ) -> None:
        self.pattern, self.classes, self.max_pretoken_bytes = pattern, classes, max_pretoken_bytes
        entries = max(max_bytes * 3 // 4 // ENTRY_BYTES, 1024)
        self.table = new_table(FIRST_SLOTS, min(entries, MOST_ENTRIES), max(max_bytes // 4, 1024))

    def add(self, text: bytes) -> Iterator[Iterable[PretokenRows]]:
        """Counts the pretokens of a text; yields the table, sorted, and empties it when full."""
        bytes_of_text, eights = text_arrays(text)
        at = 0
        while True:
            slots, entries, arena, _, used = self.table
            at = count_text(
                bytes_of_text,
                eights,
                at,
                self.classes,
                self.pattern,
                self.max_pretoken_bytes,
                slots,
                entries,
                arena,
                used,
            )
            if at == len(text):
                return
            if 4 * used[0] >= len(slots) and len(slots) < 2 * len(entries):
                self.table = self.table._replace(slots=numpy.zeros(2 * len(slots), numpy.int32))
                refill(self.table)
            elif used[0]:
                yield self.drain()
            else:  # one pretoken has more pieces than the empty table has room for
                self.table = new_table(2 * len(slots), 2 * len(entries), 2 * len(arena))

    def drain(self) -> Iterator[PretokenRows]:
        """Yields the counts in ascending order, and empties the table."""
        slots, entries, arena, _, used = self.table
        entries = entries[: used[0]]
        order = numpy.argsort(entries[:, PREFIX])
        sort_ties(order, numpy.empty_like(order), entries, arena)
        for first in range(0, len(order), BATCH_ENTRIES):
            chosen = entries[order[first : first + BATCH_ENTRIES]]
            data = numpy.empty(int(chosen[:, LENGTH].sum()), numpy.uint8)
            gather(data, chosen, arena)
            yield PretokenRows(
                data, chosen[:, LENGTH].astype(numpy.int32), chosen[:, COUNT].astype(numpy.int64)
            )
        slots[:] = 0
        used[:] = 0


@kernel
def prefix_of(word: Integer, length: Integer) -> Integer:
    """Returns the first 8 bytes of a pretoken as a big-endian number, padded with zeros, given the
    8 bytes from its start.
    """
    swapped = (word & numpy.uint64(0x00FF00FF00FF00FF)) << numpy.uint64(8)
    swapped |= word >> numpy.uint64(8) & numpy.uint64(0x00FF00FF00FF00FF)
    halves = (swapped & numpy.uint64(0x0000FFFF0000FFFF)) << numpy.uint64(16)
    halves |= swapped >> numpy.uint64(16) & numpy.uint64(0x0000FFFF0000FFFF)
    prefix = halves << numpy.uint64(32) | halves >> numpy.uint64(32)
    if length >= 8:
        return prefix
    spare = numpy.uint64(8 * (8 - length))
    return prefix >> spare << spare


@inlined
def slot_of(eights: Array, at: Integer, length: Integer, shift: Integer) -> Integer:
    """Returns the slot where the search for a pretoken begins."""
    key = short_key(eights, at, length) if length <= 8 else long_key(eights, at, length)
    return first_slot(key, length, shift)


@kernel
def compare(
    left: Array,
    left_start: Integer,
    left_length: Integer,
    right: Array,
    start: Integer,
    length: Integer,
) -> Integer:
    """Returns the order of two byte strings whose first 8 bytes are equal: negative, 0 or
    positive.
    """
    for offset in range(8, min(left_length, length)):
        difference = numpy.int64(left[left_start + offset]) - numpy.int64(right[start + offset])
        if difference:
            return difference
    return left_length - length


@kernel
def count_text(
    text: Array,
    eights: Array,
    at: Integer,
    classes: Array,
    pattern: Integer,
    max_bytes: Integer,
    slots: Array,
    entries: Array,
    arena: Array,
    used: Array,
) -> Integer:
    """Counts the pretokens from `at` on, and returns where it stopped: the end, or the first
    pretoken that may not fit.

    It is called for each text, so it takes the arrays one by one: with a Table as a plain tuple,
    counting the lines of a file as texts took 17 % longer.
    """
    rows, arena_used = used
    shift, last_slot = shift_of(len(slots)), len(slots) - 1
    room = min(len(entries), len(slots) // 2)
    while at < len(text):
        end = pretoken_end(text, at, len(text), classes, pattern)
        pieces = 1 if end - at <= max_bytes else (end - at - 1) // max_bytes + 1
        if rows + pieces > room or arena_used + end - at > len(arena):
            break
        while at < end:
            length = min(max_bytes, end - at)
            prefix = prefix_of(eights[at], length)
            slot = slot_of(eights, at, length, shift)
            while slots[slot]:
                row = slots[slot] - 1
                if entries[row, PREFIX] == prefix and entries[row, LENGTH] == numpy.uint64(length):
                    start = numpy.int64(entries[row, START])
                    if length <= 8 or not compare(arena, start, length, text, at, length):
                        entries[row, COUNT] += numpy.uint64(1)
                        break
                slot = (slot + 1) & last_slot
            else:
                entries[rows, PREFIX], entries[rows, START] = prefix, arena_used
                entries[rows, LENGTH], entries[rows, COUNT] = length, 1
                for offset in range(length):
                    arena[arena_used + offset] = text[at + offset]
                rows += 1
                slots[slot] = rows
                arena_used += length
            at += length
    used[0], used[1] = rows, arena_used
    return at


@kernel
def refill(table: Table) -> None:
    """Puts all entries in new, empty slots."""
    slots, entries = table.slots, table.entries
    shift, last_slot = shift_of(len(slots)), len(slots) - 1
    for row in range(table.used[0]):
        start, length = numpy.int64(entries[row, START]), numpy.int64(entries[row, LENGTH])
        slot = slot_of(table.eights, start, length, shift)
        while slots[slot]:
            slot = (slot + 1) & last_slot
        slots[slot] = row + 1


@kernel
def comes_before(entries: Array, arena: Array, one: Integer, other: Integer) -> bool:
    """Whether an entry comes before another with the same first 8 bytes."""
    start, length = numpy.int64(entries[one, START]), numpy.int64(entries[one, LENGTH])
    other_start, other_length = entries[other, START], numpy.int64(entries[other, LENGTH])
    order = compare(arena, start, length, arena, numpy.int64(other_start), other_length)
    return bool(order < 0)


@kernel
def sort_ties(order: Array, scratch: Array, entries: Array, arena: Array) -> None:
    """Sorts entries that are already in ascending order of their prefixes by all of their bytes;
    `scratch` is as long as `order`.
    """
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and entries[order[last], PREFIX] == entries[order[first], PREFIX]:
            last += 1
        width = 1
        while width < last - first:  # a bottom-up merge sort of this group of equal prefixes
            for low in range(first, last, 2 * width):
                middle, high = min(low + width, last), min(low + 2 * width, last)
                left, right = low, middle
                for at in range(low, high):
                    if left < middle and (
                        right == high or comes_before(entries, arena, order[left], order[right])
                    ):
                        scratch[at] = order[left]
                        left += 1
                    else:
                        scratch[at] = order[right]
                        right += 1
            for at in range(first, last):
                order[at] = scratch[at]
            width *= 2
        first = last


@kernel
def gather(data: Array, chosen: Array, arena: Array) -> None:
    """Copies the bytes of the chosen entries to `data`, one after another."""
    at: Integer = 0
    for row in range(len(chosen)):
        start, length = numpy.int64(chosen[row, START]), numpy.int64(chosen[row, LENGTH])
        for offset in range(length):
            data[at + offset] = arena[start + offset]
        at += length
