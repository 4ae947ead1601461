"""Byte-pair encoding of one pretoken.

A merge's rank is the id of the token it makes: ids are given in the order of the merges. The pair
of the smallest rank is merged first, the leftmost one of equals, as `tokenizers` does.
"""

import numpy

from stages.kernel import Integer, kernel
from stages.pretokens.table import Array
from stages.tokenizer.pairs import hash_pair

SHORT = 64  # symbols; above, looking for the smallest rank again and again is slower than a heap
ABSENT = 1 << 40  # a rank above all others


@kernel
def rank_of(left: Integer, right: Integer, keys: Array, ranks: Array) -> Integer:
    """Returns the id that a pair is merged to, or ABSENT."""
    mask = numpy.uint64(len(keys) - 1)
    key = numpy.int64(left) << 32 | numpy.int64(right)
    slot = hash_pair(key) & mask
    while keys[slot] != key:
        if keys[slot] < 0:
            return ABSENT
        slot = (slot + numpy.uint64(1)) & mask
    return numpy.int64(ranks[slot])


@kernel
def fill_ranks(rows: Array, first_id: Integer, keys: Array, ranks: Array) -> None:
    """Puts merges, rows of (left, right), in the hash map of `keys` (-1: free) and `ranks`."""
    mask = numpy.uint64(len(keys) - 1)
    for index in range(len(rows)):
        key = rows[index, 0] << 32 | rows[index, 1]
        slot = hash_pair(key) & mask
        while keys[slot] >= 0:
            slot = (slot + numpy.uint64(1)) & mask
        keys[slot], ranks[slot] = key, first_id + index


@kernel
def merge_short(
    symbols: Array, around: Array, length: Integer, keys: Array, ranks: Array
) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left; `around` is as
    long.
    """
    for at in range(length - 1):
        around[at] = rank_of(symbols[at], symbols[at + 1], keys, ranks)
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
            around[best] = rank_of(rank, symbols[best + 1], keys, ranks)
        else:
            around[best] = ABSENT
        if best:
            around[best - 1] = rank_of(symbols[best - 1], rank, keys, ranks)
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
def merge_long(symbols: Array, length: Integer, keys: Array, ranks: Array) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left, in a time that
    grows little faster than the length.
    """
    after = numpy.arange(1, length + 1)
    before = numpy.arange(-1, length - 1)
    heap = numpy.empty(3 * length, numpy.int64)
    size = numpy.int64(0)
    for at in range(length - 1):
        rank = rank_of(symbols[at], symbols[at + 1], keys, ranks)
        if rank != ABSENT:
            size = push(heap, size, rank << 32 | at)
    while size:
        rank, at = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        size = pop(heap, size)
        other = after[at]
        if symbols[at] < 0 or other == length:
            continue
        if rank_of(symbols[at], symbols[other], keys, ranks) != rank:
            continue  # one of the two was merged with another
        symbols[at], symbols[other] = rank, -1
        after[at] = after[other]
        if after[at] < length:
            before[after[at]] = at
            rank_after = rank_of(rank, symbols[after[at]], keys, ranks)
            if rank_after != ABSENT:
                size = push(heap, size, rank_after << 32 | at)
        if before[at] >= 0:
            rank_before = rank_of(symbols[before[at]], rank, keys, ranks)
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
    keys: Array,
    ranks: Array,
    symbols: Array,
) -> Integer:
    """Writes the ids of one pretoken to the first row of `symbols`, (2, at least its bytes), and
    returns how many there are.
    """
    length = end - start
    for offset in range(length):
        symbols[0, offset] = byte_ids[text[start + offset]]
    if length <= SHORT:
        return merge_short(symbols[0], symbols[1], length, keys, ranks)
    return merge_long(symbols[0], length, keys, ranks)
