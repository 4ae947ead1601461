"""The pretokens seen before, with their ids: an open-addressing table in two arrays.

A cell is two numbers. The first is the pretoken's first 8 bytes, or a hash of it if it is longer.
The second packs its length, its number of ids, and 48 more bits: the ids themselves, if it has at
most 8 bytes and 2 ids, otherwise an index into `arena`, an array of 8-byte words. There its bytes
are stored, if there are more than 8, and then its ids: up to two in one word, more in one word
each.
"""

from typing import NamedTuple

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel
from tohum.kernels.hashing import first_slot

CACHED_BYTES = 64  # longer pretokens rarely recur
KEY, VALUE = range(2)
LENGTH_SHIFT, COUNT_SHIFT = 56, 48
PLACE_MASK = (1 << 48) - 1
ID_BITS = 24
ID_MASK = (1 << ID_BITS) - 1


class Cache(NamedTuple):
    """`cells`, uint64 (cells, 2), a power of two; `arena`, uint64; and `used`, int64 (2,): how many
    cells and words of the arena are in use.
    """

    cells: Array
    arena: Array
    used: Array


def new_cache(entries: int) -> Cache:
    """Returns an empty cache with room for `entries` pretokens, a power of two."""
    return Cache(
        numpy.zeros((2 * entries, 2), numpy.uint64),
        numpy.empty(2 * entries + 128, numpy.uint64),
        numpy.zeros(2, numpy.int64),
    )


@kernel
def is_same(arena: Array, place: Integer, eights: Array, at: Integer, length: Integer) -> bool:
    """Whether the bytes in the arena equal those in the text; there are more than 8."""
    for offset in range(0, length - 8, 8):
        if arena[place + offset // 8] != eights[at + offset]:
            return False
    same: bool = arena[place + (length - 1) // 8] == eights[at + length - 8]
    return same


@kernel
def find_cell(
    cache: Cache, eights: Array, at: Integer, length: Integer, key: Integer, shift: Integer
) -> Integer:
    """Returns the cell of a pretoken, or the free cell where it belongs."""
    cells = cache.cells
    cell = first_slot(key, length, shift)
    while cells[cell, VALUE]:
        value = cells[cell, VALUE]
        if cells[cell, KEY] == key and value >> numpy.uint64(LENGTH_SHIFT) == numpy.uint64(length):
            place = numpy.int64(value & numpy.uint64(PLACE_MASK))
            if length <= 8 or is_same(cache.arena, place, eights, at, length):
                break
        cell = (cell + 1) & (len(cells) - 1)
    return cell


@kernel
def copy_ids(arena: Array, value: Integer, length: Integer, ids: Array, count: Integer) -> Integer:
    """Writes the ids of a pretoken with this value to `ids`, from `count` on; returns where they
    end.
    """
    found = numpy.int64(value >> numpy.uint64(COUNT_SHIFT) & numpy.uint64(255))
    place = numpy.int64(value & numpy.uint64(PLACE_MASK))
    if length > 8:
        place += (length + 7) // 8
    if found > 2:
        for index in range(found):
            ids[count + index] = arena[place + index]
        return count + found
    both = place if length <= 8 else numpy.int64(arena[place])
    ids[count] = both & ID_MASK
    if found == 2:
        ids[count + 1] = both >> ID_BITS
    return count + found


@kernel
def has_room(cache: Cache, length: Integer, found: Integer) -> bool:
    """Whether one more pretoken can be remembered; half the cells stay free."""
    cells, words = cache.used
    room: bool = 2 * cells < len(cache.cells) and words + length // 8 + 1 + found <= len(
        cache.arena
    )
    return room


@kernel
def remember(
    cache: Cache,
    eights: Array,
    at: Integer,
    length: Integer,
    key: Integer,
    cell: Integer,
    found_ids: Array,
    found: Integer,
) -> None:
    """Puts a pretoken and its ids, the first `found` of `found_ids`, into a free cell."""
    arena, used = cache.arena, cache.used
    end = start = used[1]
    if length > 8:
        for offset in range(0, length - 8, 8):
            arena[end] = eights[at + offset]
            end += 1
        arena[end] = eights[at + length - 8]
        end += 1
    if found > 2:
        for index in range(found):
            arena[end + index] = found_ids[index]
        end += found
    else:
        both = found_ids[0] | (found_ids[1] << ID_BITS if found == 2 else 0)
        if length > 8:
            arena[end] = both
            end += 1
        else:
            start = both
    used[0] += 1
    used[1] = end
    cache.cells[cell, KEY] = key
    cache.cells[cell, VALUE] = (
        numpy.uint64(length) << numpy.uint64(LENGTH_SHIFT)
        | numpy.uint64(found) << numpy.uint64(COUNT_SHIFT)
        | numpy.uint64(start)
    )
