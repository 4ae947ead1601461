"""Byte-pair encoding of a text: cut to pretokens, most of which are in the cache."""

import numpy

from stages.encode.cache import (
    CACHED_BYTES,
    COUNT_SHIFT,
    ID_BITS,
    ID_MASK,
    KEY,
    VALUE,
    copy_ids,
    find_cell,
    first_cell,
    has_room,
    hash_of,
    remember,
    tail_of,
)
from stages.encode.segmentation import segment
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, kernel
from tohum.pretokenization.scanner import pretoken_end


@kernel
def encode_text(
    text: Array,
    words: Array,
    classes: Array,
    pattern: Integer,
    byte_ids: Array,
    ranks: Array,
    byte_ranks: Array,
    cells: Array,
    arena: Array,
    used: Array,
    scratch: Array,
    ids: Array,
) -> Integer:
    """Writes the ids of a text to `ids`, which is longer than the text by one, and returns how many
    there are.

    `cells`, `arena` and `used` (how much of each is) are the cache.
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
        if length <= 8:  # nine of ten pretokens, nearly all of them in their first cell
            key = tail_of(words, at, length)
            cell = first_cell(key, length, shift)
            value = cells[cell, VALUE]
            found = numpy.int64(value >> numpy.uint64(COUNT_SHIFT)) - (length << 8)
            if cells[cell, KEY] == key and (found == 1 or found == 2):
                ids[count] = value & numpy.uint64(ID_MASK)
                ids[count + 1] = value >> numpy.uint64(ID_BITS) & numpy.uint64(ID_MASK)
                count += found
                at = end
                continue
        count = encode_pretoken(
            text,
            words,
            at,
            end,
            shift,
            byte_ids,
            ranks,
            byte_ranks,
            cells,
            arena,
            used,
            scratch,
            ids,
            count,
        )
        at = end
    return count


@kernel
def encode_pretoken(
    text: Array,
    words: Array,
    at: Integer,
    end: Integer,
    shift: Integer,
    byte_ids: Array,
    ranks: Array,
    byte_ranks: Array,
    cells: Array,
    arena: Array,
    used: Array,
    scratch: Array,
    ids: Array,
    count: Integer,
) -> Integer:
    """Writes the ids of one pretoken to `ids`, from `count` on, and returns where they end.

    A cache that is full is emptied.
    """
    length = end - at
    if length > CACHED_BYTES:
        found = segment(text, at, end, byte_ids, ranks, byte_ranks, scratch)
        for index in range(found):
            ids[count + index] = scratch[index]
        return count + found
    key = tail_of(words, at, length) if length <= 8 else hash_of(words, at, length)
    cell = find_cell(cells, arena, words, at, length, key, shift)
    if not cells[cell, VALUE]:
        found = segment(text, at, end, byte_ids, ranks, byte_ranks, scratch)
        if not has_room(cells, arena, used, length, found):
            cells[:] = 0
            used[:] = 0
            cell = find_cell(cells, arena, words, at, length, key, shift)
        remember(cells, arena, used, words, at, length, key, cell, scratch, found)
    return copy_ids(arena, cells[cell, VALUE], length, ids, count)
