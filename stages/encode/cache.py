"""The pretokens that were seen before, with their ids: an open-addressing table in a few arrays."""

import numpy

from stages.kernel import Integer, kernel
from stages.pretokens.counter import MIX
from stages.pretokens.table import Array

CACHED_BYTES = 64  # longer pretokens seldom come again
# A cell of the cache is two numbers: the first 8 bytes of the pretoken (or a hash of it, where it
# is longer), and its length, how many ids it has, and where they are: the id itself, the place of
# the first one in `cached_ids`, or for a longer pretoken a row of `rows`.
KEY, VALUE = range(2)
START, IDS = range(2)  # of a row: where the pretoken's bytes are in `arena`, and its ids
LENGTH_SHIFT, COUNT_SHIFT = 56, 48
PLACE_MASK = (1 << 48) - 1


@kernel
def key_of(words: Array, at: Integer, length: Integer) -> Integer:
    """Returns the bytes of a pretoken as a number, or a hash of them where there are more than
    8.
    """
    if length <= 8:
        spare = numpy.uint64(8 * (8 - length))
        return words[at] << spare >> spare
    hashed = words[at] * numpy.uint64(MIX)
    for offset in range(8, length - 7, 8):
        hashed = (hashed ^ hashed >> numpy.uint64(32) ^ words[at + offset]) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32) ^ words[at + length - 8]) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)


@kernel
def is_same(arena: Array, start: Integer, text: Array, at: Integer, length: Integer) -> bool:
    """Whether the bytes at `start` of the arena are those at `at` of the text."""
    for offset in range(length):
        if arena[start + offset] != text[at + offset]:
            return False
    return True


@kernel
def find_cell(
    cells: Array,
    rows: Array,
    arena: Array,
    text: Array,
    at: Integer,
    length: Integer,
    key: Integer,
    shift: Integer,
) -> Integer:
    """Returns the cell of a pretoken, or the free one where it belongs."""
    mask = numpy.uint64(len(cells) - 1)
    cell = (key ^ numpy.uint64(length)) * numpy.uint64(MIX) >> shift
    while cells[cell, VALUE]:
        value = cells[cell, VALUE]
        if cells[cell, KEY] == key and value >> numpy.uint64(LENGTH_SHIFT) == numpy.uint64(length):
            if length <= 8:
                break
            row = numpy.int64(value & numpy.uint64(PLACE_MASK))
            if is_same(arena, rows[row, START], text, at, length):
                break
        cell = (cell + numpy.uint64(1)) & mask
    return cell


@kernel
def has_room(
    cells: Array,
    rows: Array,
    arena: Array,
    cached_ids: Array,
    used: Array,
    length: Integer,
    found: Integer,
) -> bool:
    """Whether one more pretoken can be remembered; half of the cells stay free."""
    if 2 * used[0] >= len(cells) or used[1] >= len(rows):
        return False
    fits: bool = used[2] + length <= len(arena) and used[3] + found <= len(cached_ids)
    return fits


@kernel
def remember(
    cells: Array,
    rows: Array,
    arena: Array,
    cached_ids: Array,
    used: Array,
    text: Array,
    at: Integer,
    length: Integer,
    key: Integer,
    cell: Integer,
    symbols: Array,
    found: Integer,
) -> None:
    """Puts a pretoken and its ids, the first `found` of `symbols`, into a free cell."""
    place = numpy.int64(symbols[0, 0])
    if found > 1:
        place = used[3]
        for index in range(found):
            cached_ids[place + index] = symbols[0, index]
        used[3] += found
    if length > 8:
        row, start = used[1], used[2]
        rows[row, START], rows[row, IDS] = start, place
        for offset in range(length):
            arena[start + offset] = text[at + offset]
        used[1] += 1
        used[2] += length
        place = row
    cells[cell, KEY] = key
    cells[cell, VALUE] = (
        numpy.uint64(length) << numpy.uint64(LENGTH_SHIFT)
        | numpy.uint64(found) << numpy.uint64(COUNT_SHIFT)
        | numpy.uint64(place)
    )
    used[0] += 1
