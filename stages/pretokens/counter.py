"""Counts pretokens in an open-addressing table over an arena of bytes.

An entry is four numbers side by side, one cache line at most: the first 8 bytes of the pretoken as
a big-endian number (so numbers are in the order of the bytes), where its bytes are in the arena,
its length, and its count. Nearly every comparison is one of two pairs of integers.
"""

from collections.abc import Iterable, Iterator

import numpy

from tohum.formats.pretoken_table import Batch
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel
from tohum.kernels.hashing import MIX
from tohum.pretokenization.scanner import pretoken_end
from tohum.pretokenization.words import PADDING, words_of

PREFIX, START, LENGTH, COUNT = range(4)
ENTRY_BYTES = 96  # 32, up to 16 of slots, and the rest while the entries are sorted
FIRST_SLOTS = 1 << 16
BATCH_ENTRIES = 4096


class PretokenCounter:
    """A table of at most about `max_bytes` bytes of memory.

    Its arrays are as large as they may become from the start: the system gives memory to pages that
    are written only.
    """

    def __init__(
        self, pattern: int, classes: Array, max_pretoken_bytes: int, max_bytes: int
    ) -> None:
        self.pattern, self.classes, self.max_pretoken_bytes = pattern, classes, max_pretoken_bytes
        self.entries = numpy.empty((max(max_bytes * 3 // 4 // ENTRY_BYTES, 1024), 4), numpy.uint64)
        self.arena = numpy.empty(max(max_bytes // 4, 1024), numpy.uint8)
        self.slots = numpy.zeros(FIRST_SLOTS, numpy.int32)
        self.used = numpy.zeros(2, numpy.int64)  # entries, bytes of the arena

    def add(self, text: bytes) -> Iterator[Iterable[Batch]]:
        """Counts the pretokens of a text; yields the sorted table whenever it is full, and empties
        it.
        """
        padded = numpy.frombuffer(text + PADDING, numpy.uint8)
        at = 0
        while True:
            at = count_text(
                padded[: len(text)],
                words_of(padded),
                at,
                self.classes,
                self.pattern,
                self.max_pretoken_bytes,
                self.slots,
                self.entries,
                self.arena,
                self.used,
            )
            if at == len(text):
                return
            rows = int(self.used[0])
            if 4 * rows >= len(self.slots) and len(self.slots) < 2 * len(self.entries):
                self.slots = numpy.zeros(2 * len(self.slots), numpy.int32)
                refill(self.slots, self.entries, self.arena, rows)
            elif rows:
                yield self.drain()
            else:  # one pretoken has more pieces than the empty table has room for
                self.entries = numpy.empty((2 * len(self.entries), 4), numpy.uint64)
                self.arena = numpy.empty(2 * len(self.arena), numpy.uint8)
                self.slots = numpy.zeros(2 * len(self.slots), numpy.int32)

    def drain(self) -> Iterator[Batch]:
        """Yields what is counted in ascending order, and empties the table."""
        entries = self.entries[: self.used[0]]
        order = numpy.argsort(entries[:, PREFIX])
        sort_ties(order, numpy.empty_like(order), entries, self.arena)
        for first in range(0, len(order), BATCH_ENTRIES):
            chosen = entries[order[first : first + BATCH_ENTRIES]]
            data = numpy.empty(int(chosen[:, LENGTH].sum()), numpy.uint8)
            gather(data, chosen, self.arena)
            yield Batch(
                data, chosen[:, LENGTH].astype(numpy.int32), chosen[:, COUNT].astype(numpy.int64)
            )
        self.slots[:] = 0
        self.used[:] = 0


@kernel
def prefix_of(word: Integer, length: Integer) -> Integer:
    """Returns the first 8 bytes of a pretoken as a big-endian number, padded with zeros, from the
    8 bytes that start where it does.
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


@kernel
def hash_of(prefix: Integer, text: Array, start: Integer, length: Integer) -> Integer:
    """Returns a 64-bit hash of a pretoken, good in its low bits too: those of a short pretoken's
    prefix are all zero, and a product's low bits know nothing of its factors' high ones.
    """
    hashed = (prefix ^ numpy.uint64(length)) * numpy.uint64(MIX)
    for at in range(start + 8, start + length):
        hashed = (hashed ^ hashed >> numpy.uint64(29) ^ numpy.uint64(text[at])) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32)) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)


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
    words: Array,
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
    pretoken for which there may be no room.
    """
    rows, arena_used = used
    mask = numpy.uint64(len(slots) - 1)
    room = min(len(entries), len(slots) // 2)
    while at < len(text):
        end = pretoken_end(text, at, len(text), classes, pattern)
        pieces = 1 if end - at <= max_bytes else (end - at - 1) // max_bytes + 1
        if rows + pieces > room or arena_used + end - at > len(arena):
            break
        while at < end:
            length = min(max_bytes, end - at)
            prefix = prefix_of(words[at], length)
            slot = hash_of(prefix, text, at, length) & mask
            while slots[slot]:
                row = slots[slot] - 1
                if (
                    entries[row, PREFIX] == prefix
                    and entries[row, LENGTH] == numpy.uint64(length)
                    and (
                        length <= 8
                        or compare(
                            arena, numpy.int64(entries[row, START]), length, text, at, length
                        )
                        == 0
                    )
                ):
                    entries[row, COUNT] += numpy.uint64(1)
                    break
                slot = (slot + numpy.uint64(1)) & mask
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
def refill(slots: Array, entries: Array, arena: Array, rows: Integer) -> None:
    """Puts all entries in new, empty slots."""
    mask = numpy.uint64(len(slots) - 1)
    for row in range(rows):
        start, length = numpy.int64(entries[row, START]), numpy.int64(entries[row, LENGTH])
        slot = hash_of(entries[row, PREFIX], arena, start, length) & mask
        while slots[slot]:
            slot = (slot + numpy.uint64(1)) & mask
        slots[slot] = row + 1


@kernel
def comes_before(entries: Array, arena: Array, one: Integer, other: Integer) -> bool:
    """Whether an entry comes before another whose first 8 bytes are the same."""
    start, length = numpy.int64(entries[one, START]), numpy.int64(entries[one, LENGTH])
    other_start, other_length = entries[other, START], numpy.int64(entries[other, LENGTH])
    order = compare(arena, start, length, arena, numpy.int64(other_start), other_length)
    return bool(order < 0)


@kernel
def sort_ties(order: Array, scratch: Array, entries: Array, arena: Array) -> None:
    """Sorts the entries, in ascending order of their prefixes already, by all of their bytes;
    `scratch` is as long as `order`.
    """
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and entries[order[last], PREFIX] == entries[order[first], PREFIX]:
            last += 1
        width = 1
        while width < last - first:  # a merge sort from below, of this group of equal prefixes
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
