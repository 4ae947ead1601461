"""Byte-pair encoding of a text: cut to pretokens, most of which are in the cache."""

import numpy

from stages.encode.cache import (
    CACHED_BYTES,
    COUNT_SHIFT,
    IDS,
    KEY,
    PLACE_MASK,
    VALUE,
    find_cell,
    has_room,
    key_of,
    remember,
)
from stages.encode.segmentation import segment
from stages.kernel import Integer, kernel
from stages.pretokens.counter import MIX
from stages.pretokens.scanner import pretoken_end
from stages.pretokens.table import Array


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
