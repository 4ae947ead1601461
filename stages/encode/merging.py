"""Byte-pair encoding of one pretoken.

A merge's rank is the id of the token it makes: ids are assigned in the order of the merges. The
pair with the smallest rank is merged first, the leftmost among equals, as in `tokenizers`.
"""

from typing import NamedTuple

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel
from tohum.kernels.hashing import index_rows, row_of, slots_for
from tohum.kernels.heap import sift_down, sift_up

SHORT = 64  # symbols; beyond it, repeatedly searching for the smallest rank is slower than a heap
ABSENT = (1 << 31) - 1  # a rank above all others


class Ranks(NamedTuple):
    """The merges of a tokenizer.

    byte_ids: the id of each byte, int64 (256,)
    first_id: the rank of the first merge
    pairs: the pairs that are merged, int64 (merges, 1), the left id in the high 32 bits and the
        right id in the low
    slots: where to look for a pair (see tohum/kernels/hashing.py)
    byte_pairs: the rank of each pair of bytes, or ABSENT, int32 (256 * 256,)
    """

    byte_ids: Array
    first_id: int
    pairs: Array
    slots: Array
    byte_pairs: Array


def ranks_of(byte_ids: list[int], merges: Array, first_id: int) -> Ranks:
    """Returns the ranks of merges, rows of (left, right), the first of which makes `first_id`."""
    ranks = Ranks(
        numpy.array(byte_ids, numpy.int64),
        first_id,
        merges[:, :1] << 32 | merges[:, 1:],
        slots_for(len(merges)),
        numpy.empty(1 << 16, numpy.int32),
    )
    index_rows(ranks.slots, ranks.pairs, len(merges))
    rank_byte_pairs(ranks)
    return ranks


@kernel
def rank_byte_pairs(ranks: Ranks) -> None:
    """Writes the ranks of all pairs of bytes."""
    for left in range(256):
        for right in range(256):
            rank = rank_of(ranks.byte_ids[left], ranks.byte_ids[right], ranks)
            ranks.byte_pairs[left << 8 | right] = rank


@kernel
def rank_of(left: Integer, right: Integer, ranks: Ranks) -> Integer:
    """Returns the id that a pair is merged into, or ABSENT."""
    key = numpy.int64(left) << 32 | numpy.int64(right)
    row = row_of(ranks.slots, ranks.pairs, key)
    return row + ranks.first_id if row >= 0 else ABSENT


@kernel
def merge_short(symbols: Array, around: Array, length: Integer, ranks: Ranks) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left; `around` has the id
    that each symbol and the next one are merged into.
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
def is_smaller(item: Integer, other: Integer, _: Integer) -> bool:
    """Whether one item (rank, place) of `merge_long`'s heap is merged before another."""
    return bool(item < other)


@kernel
def push_pair(
    heap: Array, size: Integer, at: Integer, left: Integer, right: Integer, ranks: Ranks
) -> Integer:
    """Adds the pair whose left symbol is at `at` to the heap if it can be merged; returns the
    heap's size.
    """
    rank = rank_of(left, right, ranks)
    if rank == ABSENT:
        return size
    sift_up(heap, size, rank << 32 | at, is_smaller, 0)
    return size + 1


@kernel
def merge_long(scratch: Array, length: Integer, ranks: Ranks) -> Integer:
    """Merges the first `length` symbols in place and returns how many are left; takes time slightly
    more than linear in the length. `scratch` is `encoder.SCRATCH` times as long.
    """
    symbols, after = scratch[:length], scratch[length : 2 * length]
    before, heap = scratch[2 * length : 3 * length], scratch[3 * length : 6 * length]
    for at in range(length):
        before[at], after[at] = at - 1, at + 1
    size = numpy.int64(0)
    for at in range(length - 1):
        size = push_pair(heap, size, at, symbols[at], symbols[at + 1], ranks)
    while size:
        rank, at = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        size -= 1
        sift_down(heap, size, heap[size], is_smaller, 0)
        other = after[at]
        if symbols[at] < 0 or other == length:
            continue
        if rank_of(symbols[at], symbols[other], ranks) != rank:
            continue  # one of the two was merged with another symbol
        symbols[at], symbols[other] = rank, -1
        after[at] = after[other]
        if after[at] < length:
            before[after[at]] = at
            size = push_pair(heap, size, at, rank, symbols[after[at]], ranks)
        if before[at] >= 0:
            size = push_pair(heap, size, before[at], symbols[before[at]], rank, ranks)
    left = 0
    for at in range(length):
        if symbols[at] >= 0:
            symbols[left] = symbols[at]
            left += 1
    return left


@kernel
def merge_bytes(text: Array, start: Integer, end: Integer, ranks: Ranks, scratch: Array) -> Integer:
    """Writes the ids of one pretoken to the start of `scratch`, `encoder.SCRATCH` times as long as
    its bytes, and returns how many there are.
    """
    length = end - start
    for offset in range(length):
        scratch[offset] = ranks.byte_ids[text[start + offset]]
    if length <= SHORT:
        around = scratch[length:]
        for offset in range(length - 1):
            pair = numpy.int64(text[start + offset]) << 8 | text[start + offset + 1]
            around[offset] = ranks.byte_pairs[pair]
        return merge_short(scratch, around, length, ranks)
    return merge_long(scratch, length, ranks)
