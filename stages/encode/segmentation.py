"""Byte-pair encoding of one pretoken, and of a text with a cache of the pretokens seen before.

A merge's rank is the id of the token it makes: ids are given in the order of the merges. The pair
of the smallest rank is merged first, the leftmost one of equals, as `tokenizers` does.
"""

import numpy

from stages.kernel import Integer, kernel
from stages.pretokens.counter import MIX
from stages.pretokens.scanner import pretoken_end
from stages.pretokens.table import Array
from stages.tokenizer.pairs import hash_pair

CACHED_BYTES = 64  # longer pretokens seldom come again
# A cell of the cache is two numbers: the first 8 bytes of the pretoken (or a hash of it, where it
# is longer), and its length, how many ids it has, and where they are: the id itself, the place of
# the first one in `cached_ids`, or for a longer pretoken a row of `rows`.
KEY, VALUE = range(2)
START, IDS = range(2)  # of a row: where the pretoken's bytes are in `arena`, and its ids
LENGTH_SHIFT, COUNT_SHIFT = 56, 48
PLACE_MASK = (1 << 48) - 1
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
def encode_text(
    text: Array,
    words: Array,
    classes: Array,
    pattern: Integer,
    byte_ids: Array,
    keys: Array,
    ranks: Array,
    cells: Array,
    rows: Array,
    arena: Array,
    cached_ids: Array,
    used: Array,
    symbols: Array,
    ids: Array,
) -> Integer:
    """Writes the ids of a text to `ids` and returns how many there are.

    `cells`, `rows`, `arena`, `cached_ids` and `used` (how much of each is) are the cache; it is
    emptied when it is full.
    """
    bits = 0
    while 1 << bits < len(cells):
        bits += 1
    shift = numpy.uint64(64 - bits)
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
        if length <= 8:  # as key_of and find_cell do, without a call: nine of ten pretokens
            spare = numpy.uint64(8 * (8 - length))
            key = words[at] << spare >> spare
            cell = (key ^ numpy.uint64(length)) * numpy.uint64(MIX) >> shift
            value = cells[cell, VALUE]
            if cells[cell, KEY] == key and value >> numpy.uint64(COUNT_SHIFT) == numpy.uint64(
                length << 8 | 1
            ):
                ids[count] = value & numpy.uint64(PLACE_MASK)
                count += 1
                at = end
                continue
        key = key_of(words, at, length)
        cell = find_cell(cells, rows, arena, text, at, length, key, shift)
        value = cells[cell, VALUE]
        if value == 0:
            found = segment(text, at, end, byte_ids, keys, ranks, symbols)
            for index in range(found):
                ids[count + index] = symbols[0, index]
            if not has_room(cells, rows, arena, cached_ids, used, length, found):
                cells[:] = 0
                used[:] = 0
                cell = find_cell(cells, rows, arena, text, at, length, key, shift)
            remember(
                cells, rows, arena, cached_ids, used, text, at, length, key, cell, symbols, found
            )
            count += found
        else:
            found = numpy.int64(value >> numpy.uint64(COUNT_SHIFT) & numpy.uint64(255))
            place = numpy.int64(value & numpy.uint64(PLACE_MASK))
            if length > 8:
                place = rows[place, IDS]
            if found == 1:
                ids[count] = place
            else:
                for index in range(found):
                    ids[count + index] = cached_ids[place + index]
            count += found
        at = end
    return count


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
