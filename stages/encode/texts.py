"""Byte-pair encoding of a text: cut into pretokens, most of which are in the cache."""

from typing import Any

import numpy

from stages.encode.cache import (
    CACHED_BYTES,
    COUNT_SHIFT,
    ID_BITS,
    ID_MASK,
    KEY,
    VALUE,
    Cache,
    copy_ids,
    find_cell,
    has_room,
    remember,
)
from stages.encode.merging import Ranks, merge_bytes
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel
from tohum.kernels.hashing import first_slot, long_key, shift_of, short_key
from tohum.kernels.text import Text
from tohum.pretokenization.scanner import pretoken_end


@kernel
def encode_text(
    text: Array,
    eights: Array,
    classes: Array,
    pattern: Integer,
    ranks: tuple[Any, ...],
    cache: tuple[Array, ...],
    scratch: Array,
    ids: Array,
) -> Integer:
    """Writes the ids of a text to `ids`, which is one longer than the text, and returns how many
    there are.

    `ranks` and `cache` are Ranks and a Cache as plain tuples, to be called from Python (see
    tohum/kernels/compilation.py).
    """
    return encode_pretokens(
        Text(text, eights), classes, pattern, Ranks(*ranks), Cache(*cache), scratch, ids
    )


@inlined
def encode_pretokens(
    text: Text,
    classes: Array,
    pattern: Integer,
    ranks: Ranks,
    cache: Cache,
    scratch: Array,
    ids: Array,
) -> Integer:
    """Does the work of `encode_text`."""
    cells = cache.cells
    shift = shift_of(len(cells))
    at = 0
    count: Integer = 0
    while at < len(text.bytes):
        end = pretoken_end(text.bytes, at, len(text.bytes), classes, pattern)
        length = end - at
        if length <= 8:  # nine in ten pretokens, nearly all in their first cell
            key = short_key(text.eights, at, length)
            cell = first_slot(key, length, shift)
            value = cells[cell, VALUE]
            found = numpy.int64(value >> numpy.uint64(COUNT_SHIFT)) - (length << 8)
            if cells[cell, KEY] == key and (found == 1 or found == 2):
                ids[count] = value & numpy.uint64(ID_MASK)
                ids[count + 1] = value >> numpy.uint64(ID_BITS) & numpy.uint64(ID_MASK)
                count += found
                at = end
                continue
        count = encode_pretoken(text, at, end, shift, ranks, cache, scratch, ids, count)
        at = end
    return count


@kernel
def encode_pretoken(
    text: Text,
    at: Integer,
    end: Integer,
    shift: Integer,
    ranks: Ranks,
    cache: Cache,
    scratch: Array,
    ids: Array,
    count: Integer,
) -> Integer:
    """Writes the ids of one pretoken to `ids`, from `count` on, and returns where they end.

    A full cache is emptied.
    """
    length, eights = end - at, text.eights
    if length > CACHED_BYTES:
        found = merge_bytes(text.bytes, at, end, ranks, scratch)
        for index in range(found):
            ids[count + index] = scratch[index]
        return count + found
    key = short_key(eights, at, length) if length <= 8 else long_key(eights, at, length)
    cell = find_cell(cache, eights, at, length, key, shift)
    if not cache.cells[cell, VALUE]:
        found = merge_bytes(text.bytes, at, end, ranks, scratch)
        if not has_room(cache, length, found):
            cache.cells[:] = 0
            cache.used[:] = 0
            cell = find_cell(cache, eights, at, length, key, shift)
        remember(cache, eights, at, length, key, cell, scratch, found)
    return copy_ids(cache.arena, cache.cells[cell, VALUE], length, ids, count)
