"""Hashes of numbers and bytes, and a hash table from numbers to rows.

All hash tables of the project use open addressing, a power of two of slots and linear probing
(Knuth, TAOCP 6.4). They differ in what a slot holds, and two have their own loops for it: the cache
of pretokens (stages/encode/cache.py) keeps ids in the slot itself, so most pretokens take one cache
line, and the counter (stages/pretokens/counter.py) keeps its entries in order of arrival.
"""

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel

MIX = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio (Knuth, TAOCP 6.4)


@kernel
def hash_number(number: Integer) -> Integer:
    """Returns a hash of a number whose low bits are well mixed."""
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
    """Returns a hash of the bytes at `at`; there must be more than 8."""
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


@inlined
def slot_of_key(slots: Array, rows: Array, key: Integer) -> Integer:
    """Returns the slot of the row with a key (its first number), or the free slot where it belongs.

    A slot, int32, is 0 or the number of a row, counted from 1. Most look-ups find nothing, and such
    slots take a quarter of the cache lines that rows would.
    """
    mask = numpy.uint64(len(slots) - 1)
    slot = hash_number(key) & mask
    while slots[slot] and rows[slots[slot] - 1, 0] != key:
        slot = (slot + numpy.uint64(1)) & mask
    return slot


@inlined
def row_of(slots: Array, rows: Array, key: Integer) -> Integer:
    """Returns the number of the row with a key, or -1."""
    return numpy.int64(slots[slot_of_key(slots, rows, key)]) - 1


@kernel
def index_rows(slots: Array, rows: Array, used: Integer) -> None:
    """Puts the first `used` rows, whose keys differ, in free slots."""
    for row in range(used):
        slots[slot_of_key(slots, rows, rows[row, 0])] = row + 1


def slots_for(rows: int) -> Array:
    """Returns slots for that many rows, more than half of them free."""
    return numpy.zeros(1 << (2 * rows + 1).bit_length(), numpy.int32)
