"""The corpus as BPE sees it: each different pretoken is a word, in one array of small integers.

A word is its count (two cells of 15 bits), the ids of its symbols, and STOP, the largest number
that a cell can hold. Where merges have made it shorter, STOP is repeated. A word is identified by
the index of its first cell. A word of n bytes takes 2 * n + 6 bytes of memory, and a merge reads
one or two cache lines of it. A count of LARGE or more is stored separately: the cells then hold
LARGE + its index in `large`.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy

from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined, kernel

HALF_BITS = 15  # one less than a cell has, so half a count is never STOP
HALF_MASK = (1 << HALF_BITS) - 1
LARGE = 1 << 29
COUNT_CELLS = 2
SMALL_IDS = 1 << 16  # the last one is STOP; only the last merge makes it, and it is never read


class Words(NamedTuple):
    """`cells`, of which `end` are used; the large counts, int64; and STOP for this cell type."""

    cells: Array
    end: int
    large: Array
    stop: int


def read_words(table: Iterable[PretokenRows], byte_ids: list[int], vocab_size: int) -> Words:
    """Returns the words of two or more bytes in a table; the id of a byte is `byte_ids[byte]`."""
    dtype: Any = numpy.uint16 if vocab_size <= SMALL_IDS else numpy.int32
    ids = numpy.array(byte_ids, dtype)
    stop = int(numpy.iinfo(dtype).max)
    cells, large = numpy.zeros(0, dtype), numpy.zeros(0, numpy.int64)
    end = 0
    for batch in table:
        codes = batch.counts.copy()
        (rows,) = numpy.nonzero(codes >= LARGE)
        codes[rows] = numpy.arange(LARGE + len(large), LARGE + len(large) + len(rows))
        large = numpy.concatenate([large, batch.counts[rows]])
        room = len(batch.data) + (COUNT_CELLS + 1) * len(batch.counts)
        cells.resize(end + room, refcheck=False)  # the system moves a long array without copying it
        end = append_words(cells, end, batch.data, batch.lengths, codes, ids, stop)
    return Words(cells, end, large, stop)


@kernel
def append_words(
    cells: Array,
    end: Integer,
    data: Array,
    lengths: Array,
    codes: Array,
    ids: Array,
    stop: Integer,
) -> Integer:
    """Writes the words of a batch to `cells`, from `end` on, and returns where they end."""
    at: Integer = 0
    for row in range(len(lengths)):
        length = numpy.int64(lengths[row])
        if length > 1:
            cells[end], cells[end + 1] = codes[row] & HALF_MASK, codes[row] >> HALF_BITS
            end += COUNT_CELLS
            for offset in range(length):
                cells[end + offset] = ids[data[at + offset]]
            end += length
            cells[end] = stop
            end += 1
        at += length
    return end


@inlined
def count_of(words: Words, word: Integer) -> Integer:
    """Returns how often a word occurs in the corpus."""
    code = numpy.int64(words.cells[word]) | numpy.int64(words.cells[word + 1]) << HALF_BITS
    if code < LARGE:
        return code
    return words.large[code - LARGE]


@inlined
def end_of(words: Words, word: Integer) -> Integer:
    """Returns where the symbols of a word end."""
    at = word + COUNT_CELLS
    while words.cells[at] != words.stop:
        at += 1
    return at


@kernel
def compact(words: Words) -> Integer:
    """Closes the gaps, drops words of one symbol, and returns where the words end."""
    cells = words.cells
    word = kept = 0
    while word < words.end:
        last = end_of(words, word)
        if last - word > COUNT_CELLS + 1:
            for at in range(word, last + 1):
                cells[kept] = cells[at]
                kept += 1
        word = last
        while word < words.end and cells[word] == words.stop:
            word += 1
    return kept
