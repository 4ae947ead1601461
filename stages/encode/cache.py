"""The pretokens that were seen before, with their ids: an open-addressing table in two arrays.

A cell is two numbers: the first 8 bytes of the pretoken (or a hash of it, where it is longer), and
its length, how many ids it has, and 48 bits. These are its ids themselves, if it has at most 8
bytes and 2 ids; else the place in `arena`, an array of 8-byte words, of its bytes, if there are
more than 8, and of its ids: two in a word if there are no more, else one a word.
"""

import numpy

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel
from tohum.kernels.hashing import MIX

CACHED_BYTES = 64  # longer pretokens seldom come again
KEY, VALUE = range(2)
LENGTH_SHIFT, COUNT_SHIFT = 56, 48
PLACE_MASK = (1 << 48) - 1
ID_BITS = 24
ID_MASK = (1 << ID_BITS) - 1


@inlined
def tail_of(words: Array, at: Integer, length: Integer) -> Integer:
    """Returns the 1 to 8 bytes at `at` as a number."""
    spare = numpy.uint64(8 * (8 - length))
    return words[at] << spare >> spare


@inlined
def first_cell(key: Integer, length: Integer, shift: Integer) -> Integer:
    """Returns the cell where the search for a pretoken begins."""
    return numpy.int64((key ^ numpy.uint64(length)) * numpy.uint64(MIX) >> shift)


@kernel
def hash_of(words: Array, at: Integer, length: Integer) -> Integer:
    """Returns a hash of more than 8 bytes."""
    hashed = words[at] * numpy.uint64(MIX)
    for offset in range(8, length - 7, 8):
        hashed = (hashed ^ hashed >> numpy.uint64(32) ^ words[at + offset]) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32) ^ words[at + length - 8]) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)


@kernel
def is_same(arena: Array, place: Integer, words: Array, at: Integer, length: Integer) -> bool:
    """Whether the bytes of the arena are those of the text, more than 8 of them."""
    for offset in range(0, length - 8, 8):
        if arena[place + offset // 8] != words[at + offset]:
            return False
    same: bool = arena[place + (length - 1) // 8] == words[at + length - 8]
    return same


@kernel
def find_cell(
    cells: Array,
    arena: Array,
    words: Array,
    at: Integer,
    length: Integer,
    key: Integer,
    shift: Integer,
) -> Integer:
    """Returns the cell of a pretoken, or the free one where it belongs."""
    cell = first_cell(key, length, shift)
    while cells[cell, VALUE]:
        value = cells[cell, VALUE]
        if cells[cell, KEY] == key and value >> numpy.uint64(LENGTH_SHIFT) == numpy.uint64(length):
            place = numpy.int64(value & numpy.uint64(PLACE_MASK))
            if length <= 8 or is_same(arena, place, words, at, length):
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
def has_room(cells: Array, arena: Array, used: Array, length: Integer, found: Integer) -> bool:
    """Whether one more pretoken can be remembered; half of the cells stay free."""
    room: bool = 2 * used[0] < len(cells) and used[1] + length // 8 + 1 + found <= len(arena)
    return room


@kernel
def remember(
    cells: Array,
    arena: Array,
    used: Array,
    words: Array,
    at: Integer,
    length: Integer,
    key: Integer,
    cell: Integer,
    found_ids: Array,
    found: Integer,
) -> None:
    """Puts a pretoken and its ids, the first `found` of `found_ids`, into a free cell; `used` says
    how many cells and words of the arena are taken.
    """
    end = start = used[1]
    if length > 8:
        for offset in range(0, length - 8, 8):
            arena[end] = words[at + offset]
            end += 1
        arena[end] = words[at + length - 8]
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
    cells[cell, KEY] = key
    cells[cell, VALUE] = (
        numpy.uint64(length) << numpy.uint64(LENGTH_SHIFT)
        | numpy.uint64(found) << numpy.uint64(COUNT_SHIFT)
        | numpy.uint64(start)
    )
