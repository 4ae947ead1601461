"""Byte-pair encoding of one pretoken.

A merge's rank is the id of the token it makes: ids are given in the order of the merges. The pair
of the smallest rank is merged first, the leftmost one of equals, as `tokenizers` does.
"""

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel
from tohum.kernels.hashing import hash_pair

SHORT = 64  # symbols; above, looking for the smallest rank again and again is slower than a heap
ABSENT = (1 << 31) - 1  # a rank above all others
SCRATCH = 6  # int64 a byte of the longest pretoken: its symbols, and what merging them needs


@kernel
def rank_of(left: Integer, right: Integer, ranks: Array) -> Integer:
    """Returns the id that a pair is merged to, or ABSENT."""
    mask = numpy.uint64(len(ranks) - 1)
    key = numpy.int64(left) << 32 | numpy.int64(right)
    slot = hash_pair(key) & mask
    while ranks[slot, 0] != key:
        if ranks[slot, 0] < 0:
            return ABSENT
        slot = (slot + numpy.uint64(1)) & mask
    return ranks[slot, 1]


@kernel
def fill_ranks(
    rows: Array, first_id: Integer, byte_ids: Array, ranks: Array, byte_ranks: Array
) -> None:
    """Puts merges, rows of (left, right), in the hash map `ranks`, rows of (pair, id) (-1: free),
    and the ids that two bytes are merged to, or ABSENT, in `byte_ranks`, int32 (256 * 256,).
    """
    mask = numpy.uint64(len(ranks) - 1)
    for index in range(len(rows)):
        key = rows[index, 0] << 32 | rows[index, 1]
        slot = hash_pair(key) & mask
        while ranks[slot, 0] >= 0:
            slot = (slot + numpy.uint64(1)) & mask
        ranks[slot, 0], ranks[slot, 1] = key, first_id + index
    for left in range(256):
        for right in range(256):
            byte_ranks[left << 8 | right] = rank_of(byte_ids[left], byte_ids[right], ranks)


@kernel
def merge_short(symbols: Array, around: Array, length: Integer, ranks: Array) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left; `around` has the
    ids that each and the one after it are merged to.
    """
    while length > 1:
        best, rank = 0, numpy.int64(ABSENT)
        for at in range(length - 1):
            if around[at] < rank:
                best, rank = at, around[at]
        if rank == ABSENT:
            break
        symbols[best] = rank
        length -= 1
        for at in range(best + 1, length):
            symbols[at] = symbols[at + 1]
            around[at] = around[at + 1]
        if best + 1 < length:
            around[best] = rank_of(rank, symbols[best + 1], ranks)
        else:
            around[best] = ABSENT
        if best:
            around[best - 1] = rank_of(symbols[best - 1], rank, ranks)
    return length


@kernel
def push(heap: Array, size: Integer, item: Integer) -> Integer:
    """Adds an item to a heap whose smallest one is first; returns its new size."""
    at = size
    while at and heap[(at - 1) // 2] > item:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = item
    return size + 1


@kernel
def pop(heap: Array, size: Integer) -> Integer:
    """Removes the first item of a heap of `size` items."""
    item = heap[size - 1]
    at = 0
    while 2 * at + 1 < size - 1:
        below = 2 * at + 1
        if below + 1 < size - 1 and heap[below + 1] < heap[below]:
            below += 1
        if item <= heap[below]:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = item
    return size - 1


@kernel
def merge_long(scratch: Array, length: Integer, ranks: Array) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left, in a time that
    grows little faster than the length; `scratch` is SCRATCH times as long.
    """
    symbols, after = scratch[:length], scratch[length : 2 * length]
    before, heap = scratch[2 * length : 3 * length], scratch[3 * length : 6 * length]
    for at in range(length):
        before[at], after[at] = at - 1, at + 1
    size = numpy.int64(0)
    for at in range(length - 1):
        rank = rank_of(symbols[at], symbols[at + 1], ranks)
        if rank != ABSENT:
            size = push(heap, size, rank << 32 | at)
    while size:
        rank, at = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        size = pop(heap, size)
        other = after[at]
        if symbols[at] < 0 or other == length:
            continue
        if rank_of(symbols[at], symbols[other], ranks) != rank:
            continue  # one of the two was merged with another
        symbols[at], symbols[other] = rank, -1
        after[at] = after[other]
        if after[at] < length:
            before[after[at]] = at
            rank_after = rank_of(rank, symbols[after[at]], ranks)
            if rank_after != ABSENT:
                size = push(heap, size, rank_after << 32 | at)
        if before[at] >= 0:
            rank_before = rank_of(symbols[before[at]], rank, ranks)
            if rank_before != ABSENT:
                size = push(heap, size, rank_before << 32 | before[at])
    left = 0
    for at in range(length):
        if symbols[at] >= 0:
            symbols[left] = symbols[at]
            left += 1
    return left


@kernel
def segment(
    text: Array,
    start: Integer,
    end: Integer,
    byte_ids: Array,
    ranks: Array,
    byte_ranks: Array,
    scratch: Array,
) -> Integer:
    """Writes the ids of one pretoken to the start of `scratch`, SCRATCH times as long as its bytes,
    and returns how many there are.
    """
    length = end - start
    for offset in range(length):
        scratch[offset] = byte_ids[text[start + offset]]
    if length <= SHORT:
        around = scratch[length:]
        for offset in range(length - 1):
            pair = numpy.int64(text[start + offset]) << 8 | text[start + offset + 1]
            around[offset] = byte_ranks[pair]
        return merge_short(scratch, around, length, ranks)
    return merge_long(scratch, length, ranks)
