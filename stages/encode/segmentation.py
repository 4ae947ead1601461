"""Byte-pair encoding of one pretoken, and of a text with a cache of the pretokens seen before.

A merge's rank is the id of the token it makes: ids are given in the order of the merges. The pair
of the smallest rank is merged first, the leftmost one of equals, as `tokenizers` does.
"""

import numpy

from stages.kernel import Integer, kernel
from stages.pretokens.counter import compare, hash_of, prefix_of
from stages.pretokens.scanner import pretoken_end
from stages.pretokens.table import Array
from stages.tokenizer.pairs import hash_pair

PREFIX, START, LENGTH, IDS = range(4)
CACHED_BYTES = 64  # longer pretokens seldom come again
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


@kernel
def encode_text(
    text: Array,
    words: Array,
    classes: Array,
    pattern: Integer,
    byte_ids: Array,
    keys: Array,
    ranks: Array,
    slots: Array,
    entries: Array,
    arena: Array,
    cached_ids: Array,
    used: Array,
    symbols: Array,
    ids: Array,
) -> Integer:
    """Writes the ids of a text to `ids` and returns how many there are.

    The cache is emptied when it is full. An entry is the pretoken's first 8 bytes, where its bytes
    are in `arena`, its length, and its ids: where they start in `cached_ids`, times 256, plus how
    many there are.
    """
    mask = numpy.uint64(len(slots) - 1)
    rows, arena_used, ids_used = used
    at = 0
    count: Integer = 0
    while at < len(text):
        end = pretoken_end(text, at, len(text), classes, pattern)
        length = end - at
        if length > CACHED_BYTES:
            found = segment(text, at, end, byte_ids, keys, ranks, symbols)
            for index in range(found):
                ids[count + index] = symbols[0, index]
            count += found
            at = end
            continue
        prefix = prefix_of(words[at], length)
        slot = hash_of(prefix, text, at, length) & mask
        while slots[slot]:
            row = slots[slot] - 1
            if (
                entries[row, PREFIX] == prefix
                and entries[row, LENGTH] == numpy.uint64(length)
                and (
                    length <= 8
                    or compare(arena, numpy.int64(entries[row, START]), length, text, at, length)
                    == 0
                )
            ):
                first = numpy.int64(entries[row, IDS] >> numpy.uint64(8))
                found = numpy.int64(entries[row, IDS] & numpy.uint64(255))
                for index in range(found):
                    ids[count + index] = cached_ids[first + index]
                count += found
                break
            slot = (slot + numpy.uint64(1)) & mask
        else:
            found = segment(text, at, end, byte_ids, keys, ranks, symbols)
            for index in range(found):
                ids[count + index] = symbols[0, index]
            count += found
            if (
                rows == len(entries)
                or arena_used + length > len(arena)
                or ids_used + found > len(cached_ids)
            ):
                for index in range(len(slots)):
                    slots[index] = 0
                rows = arena_used = ids_used = 0
                slot = hash_of(prefix, text, at, length) & mask
            entries[rows, PREFIX], entries[rows, START] = prefix, arena_used
            entries[rows, LENGTH], entries[rows, IDS] = length, ids_used << 8 | found
            for offset in range(length):
                arena[arena_used + offset] = text[at + offset]
            for index in range(found):
                cached_ids[ids_used + index] = symbols[0, index]
            rows += 1
            arena_used += length
            ids_used += found
            slots[slot] = rows
        at = end
    used[0], used[1], used[2] = rows, arena_used, ids_used
    return count
