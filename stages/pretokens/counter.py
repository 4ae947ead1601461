"""Counts pretokens in an open-addressing table over an arena of bytes: 8 bytes of a pretoken lie in
its entry, so that nearly every comparison is one of two integers.

An entry is its first 8 bytes as a big-endian number (padded with zeros; in the order of the bytes
therefore), its length, its count, and where its bytes are.
"""

from collections.abc import Iterable, Iterator

import numpy

from stages.kernel import kernel
from stages.pretokens.scanner import Array, pretoken_end
from stages.pretokens.table import Batch

ENTRY_BYTES = 96  # 28 in the arrays, up to 16 of slots, and the rest while the entries are sorted
FIRST_SLOTS = 1 << 16
MIX = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio (Knuth, TAOCP 6.4)
BATCH_ENTRIES = 4096


class PretokenCounter:
    """A table of at most about `max_bytes` bytes of memory.

    Its arrays are as large as they may become from the start: the system gives memory to pages that
    are written only.
    """

    def __init__(self, pattern: int, classes: Array, max_pretoken_bytes: int, max_bytes: int):
        entries = max(max_bytes * 3 // 4 // ENTRY_BYTES, 1024)
        self.pattern, self.classes, self.max_pretoken_bytes = pattern, classes, max_pretoken_bytes
        self.prefixes = numpy.empty(entries, numpy.uint64)
        self.counts = numpy.empty(entries, numpy.int64)
        self.starts = numpy.empty(entries, numpy.int64)
        self.lengths = numpy.empty(entries, numpy.int32)
        self.arena = numpy.empty(max(max_bytes // 4, 2 * max_pretoken_bytes), numpy.uint8)
        self.slots = numpy.zeros(FIRST_SLOTS, numpy.int32)
        self.used = numpy.zeros(2, numpy.int64)  # entries, bytes of the arena

    def add(self, text: bytes) -> Iterator[Iterable[Batch]]:
        """Counts the pretokens of a text; yields the sorted table whenever it is full, and empties
        it.
        """
        data = numpy.frombuffer(text, numpy.uint8)
        at = 0
        while at < len(data):
            at = count_text(
                data,
                at,
                self.classes,
                self.pattern,
                self.max_pretoken_bytes,
                self.slots,
                self.prefixes,
                self.counts,
                self.starts,
                self.lengths,
                self.arena,
                self.used,
            )
            if at == len(data):
                return
            if not self.used[0]:
                self._enlarge()  # one pretoken is longer than the whole table
            elif 2 * self.used[0] >= len(self.slots) and len(self.slots) < 2 * len(self.counts):
                self.slots = numpy.zeros(2 * len(self.slots), numpy.int32)
                refill(self.slots, self.prefixes, self.starts, self.lengths, self.arena, self.used)
            else:
                yield self.drain()

    def _enlarge(self) -> None:
        """Doubles an empty table."""
        for name in ("prefixes", "counts", "starts", "lengths", "arena", "slots"):
            array = getattr(self, name)
            setattr(self, name, numpy.zeros(2 * len(array), array.dtype))

    def drain(self) -> Iterator[Batch]:
        """Yields what is counted in ascending order, and empties the table."""
        entries = int(self.used[0])
        order = numpy.argsort(self.prefixes[:entries])
        sort_ties(order, self.prefixes, self.starts, self.lengths, self.arena)
        for first in range(0, entries, BATCH_ENTRIES):
            chosen = order[first : first + BATCH_ENTRIES]
            lengths = self.lengths[chosen]
            data = numpy.empty(int(lengths.sum(dtype=numpy.int64)), numpy.uint8)
            gather(data, chosen, self.starts, self.lengths, self.arena)
            yield Batch(data, lengths, self.counts[chosen])
        self.slots[:] = 0
        self.used[:] = 0


@kernel
def prefix_of(text: Array, start: int, length: int) -> int:
    """Returns the first 8 bytes as a big-endian number, padded with zeros."""
    prefix = numpy.uint64(0)
    for at in range(start, start + min(length, 8)):
        prefix = prefix << numpy.uint64(8) | numpy.uint64(text[at])
    return prefix << numpy.uint64(8 * (8 - min(length, 8)))


@kernel
def hash_of(prefix: int, text: Array, start: int, length: int) -> int:
    """Returns a 64-bit hash of a pretoken."""
    hashed = (prefix ^ numpy.uint64(length)) * numpy.uint64(MIX)
    for at in range(start + 8, start + length):
        hashed = (hashed ^ numpy.uint64(text[at])) * numpy.uint64(MIX)
        hashed ^= hashed >> numpy.uint64(29)
    return hashed ^ hashed >> numpy.uint64(32)


@kernel
def compare(
    left: Array, left_start: int, left_length: int, right: Array, start: int, length: int
) -> int:
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
    at: int,
    classes: Array,
    pattern: int,
    max_bytes: int,
    slots: Array,
    prefixes: Array,
    counts: Array,
    starts: Array,
    lengths: Array,
    arena: Array,
    used: Array,
) -> int:
    """Counts the pretokens from `at` on, and returns where it stopped: the end, or the first
    pretoken for which there may be no room.
    """
    entries, arena_used = used
    mask = len(slots) - 1
    room = min(len(counts), len(slots) // 2)
    while at < len(text):
        end = pretoken_end(text, at, len(text), classes, pattern)
        pieces = (end - at - 1) // max_bytes + 1
        if entries + pieces > room or arena_used + end - at > len(arena):
            break
        for start in range(at, end, max_bytes):
            length = min(max_bytes, end - start)
            prefix = prefix_of(text, start, length)
            slot = numpy.int64(hash_of(prefix, text, start, length)) & mask
            while slots[slot]:
                entry = slots[slot] - 1
                if (
                    prefixes[entry] == prefix
                    and lengths[entry] == length
                    and compare(arena, starts[entry], length, text, start, length) == 0
                ):
                    counts[entry] += 1
                    break
                slot = (slot + 1) & mask
            else:
                slots[slot] = entries + 1
                prefixes[entries] = prefix
                counts[entries] = 1
                starts[entries] = arena_used
                lengths[entries] = length
                arena[arena_used : arena_used + length] = text[start : start + length]
                entries += 1
                arena_used += length
        at = end
    used[0], used[1] = entries, arena_used
    return at


@kernel
def refill(
    slots: Array, prefixes: Array, starts: Array, lengths: Array, arena: Array, used: Array
) -> None:
    """Puts all entries in new, empty slots."""
    mask = len(slots) - 1
    for entry in range(used[0]):
        hashed = hash_of(prefixes[entry], arena, starts[entry], lengths[entry])
        slot = numpy.int64(hashed) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = entry + 1


@kernel
def sort_ties(order: Array, prefixes: Array, starts: Array, lengths: Array, arena: Array) -> None:
    """Sorts the entries, in ascending order of their prefixes already, by all of their bytes."""
    scratch = numpy.empty_like(order)
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and prefixes[order[last]] == prefixes[order[first]]:
            last += 1
        width = 1
        while width < last - first:  # a merge sort from below, of this group of equal prefixes
            for low in range(first, last, 2 * width):
                middle, high = min(low + width, last), min(low + 2 * width, last)
                left, right = low, middle
                for at in range(low, high):
                    take_left = right == high
                    if left < middle and right < high:
                        one, other = order[left], order[right]
                        take_left = (
                            compare(
                                arena,
                                starts[one],
                                lengths[one],
                                arena,
                                starts[other],
                                lengths[other],
                            )
                            < 0
                        )
                    if take_left:
                        scratch[at] = order[left]
                        left += 1
                    else:
                        scratch[at] = order[right]
                        right += 1
            order[first:last] = scratch[first:last]
            width *= 2
        first = last


@kernel
def gather(data: Array, chosen: Array, starts: Array, lengths: Array, arena: Array) -> None:
    """Copies the bytes of the chosen entries to `data`, one after another."""
    at = 0
    for entry in chosen:
        start, length = starts[entry], lengths[entry]
        data[at : at + length] = arena[start : start + length]
        at += length
