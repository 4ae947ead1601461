"""Hashes of numbers and of bytes, and a hash map from numbers to numbers.

All tables here are open-addressed, with a power of two of slots and linear probing (Knuth, TAOCP
6.4). What differs is what a slot holds, and two of them have loops of their own for it: the cache
of pretokens (stages/encode/cache.py) keeps ids in the slot itself, so that most pretokens take one
cache line, and the counter (stages/pretokens/counter.py) keeps its entries in the order they came.
"""

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, allocating, inlined, kernel

MIX = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio (Knuth, TAOCP 6.4)
FREE = -1  # the key of a free slot


@kernel
def hash_number(number: Integer) -> Integer:
    """Returns a hash of a number that is good in its low bits."""
    hashed = numpy.uint64(number) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32)) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)


@inlined
def short_key(eights: Array, at: Integer, length: Integer) -> Integer:
    """Returns the 1 to 8 bytes at `at` as a number."""
    spare = numpy.uint64(8 * (8 - length))
    return eights[at] << spare >> spare


@kernel
def long_key(eights: Array, at: Integer, length: Integer) -> Integer:
    """Returns a hash of the bytes at `at`, more than 8 of them."""
    hashed = eights[at] * numpy.uint64(MIX)
    for offset in range(8, length - 7, 8):
        hashed = (hashed ^ hashed >> numpy.uint64(32) ^ eights[at + offset]) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32) ^ eights[at + length - 8]) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)


@inlined
def first_slot(key: Integer, length: Integer, shift: Integer) -> Integer:
    """Returns the slot where the search for bytes with this key begins, in a table of
    2^(64 - shift) slots.
    """
    return numpy.int64((key ^ numpy.uint64(length)) * numpy.uint64(MIX) >> shift)


@kernel
def shift_of(slots: Integer) -> Integer:
    """Returns the shift for a table with that many slots, a power of two."""
    bits = 0
    while 1 << bits < slots:
        bits += 1
    return numpy.uint64(64 - bits)


@kernel
def find(table: Array, key: Integer) -> Integer:
    """Returns the slot of a key in a map, or the free one where it belongs.

    A map is int64 (slots, 2), rows of (key, value), FREE at first; keys are not negative.
    """
    mask = numpy.uint64(len(table) - 1)
    slot = hash_number(key) & mask
    while table[slot, 0] != key and table[slot, 0] >= 0:
        slot = (slot + numpy.uint64(1)) & mask
    return slot


@kernel
def value_of(table: Array, key: Integer, absent: Integer) -> Integer:
    """Returns the value of a key in a map, or `absent`."""
    slot = find(table, key)
    return table[slot, 1] if table[slot, 0] >= 0 else absent


@kernel
def put(table: Array, key: Integer, value: Integer) -> None:
    """Puts a key and its value in a map that has a free slot."""
    slot = find(table, key)
    table[slot, 0], table[slot, 1] = key, value


@allocating
def enlarged(table: Array) -> Array:
    """Returns a map with twice as many slots and the same keys."""
    larger = numpy.full((2 * len(table), 2), FREE, numpy.int64)
    for slot in range(len(table)):
        if table[slot, 0] >= 0:
            put(larger, table[slot, 0], table[slot, 1])
    return larger


def empty_map(keys: int) -> Array:
    """Returns a map with room for some keys, half of it free."""
    return numpy.full((1 << (2 * keys + 1).bit_length(), 2), FREE, numpy.int64)
