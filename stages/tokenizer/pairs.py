"""The pairs in a round of byte-pair encoding, and the words that each occurs in.

A pair is a row of int64 (pairs, 4): its key (the left id in the high 32 bits, the right id in the
low), its count, where in `lists` the words it occurs in are listed, and how many there are.
"""

from typing import NamedTuple

import numpy

from stages.tokenizer.words import COUNT_CELLS, Words, count_of
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, allocating, kernel
from tohum.kernels.hashing import hash_number, index_rows, row_of, slot_of_key

KEY, COUNT, START, SIZE = range(4)


class Pairs(NamedTuple):
    """`rows`, and the slots for looking one up by its key (see tohum/kernels/hashing.py)."""

    rows: Array
    slots: Array


class Queued(NamedTuple):
    """`rows`, and the count of each by which a round's heap is ordered, int64 (pairs,); it may be a
    few merges old.
    """

    rows: Array
    counts: Array


@allocating
def longer(rows: Array, least: Integer) -> Array:
    """Returns a copy of `rows` with room for half as many more, and for at least `least`."""
    grown = numpy.empty((max(len(rows) * 3 // 2, least), rows.shape[1]), rows.dtype)
    for row in range(len(rows)):
        for column in range(rows.shape[1]):
            grown[row, column] = rows[row, column]
    return grown


@allocating
def enlarged(slots: Array, rows: Array, used: Integer) -> Array:
    """Returns twice as many slots, with the first `used` rows in them."""
    larger = numpy.zeros(2 * len(slots), numpy.int32)
    index_rows(larger, rows, used)
    return larger


@kernel
def is_better(pair: Integer, other: Integer, queued: Queued) -> bool:
    """Whether a pair is merged before another: it is more frequent, or has the smaller ids."""
    count, other_count = queued.counts[pair], queued.counts[other]
    if count == other_count:
        return bool(queued.rows[pair, KEY] < queued.rows[other, KEY])
    return bool(count > other_count)


@kernel
def sketch_pairs(words: Words, sketch: Array) -> None:
    """Adds up the counts of pairs by their hash: a cell is an upper bound for each of its pairs."""
    cells, mask = words.cells, numpy.uint64(len(sketch) - 1)
    word = 0
    while word < words.end:
        count = count_of(words, word)
        at = word + COUNT_CELLS
        while cells[at + 1] != words.stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            sketch[hash_number(key) & mask] += count
            at += 1
        word = at + 2


@allocating
def frequent_pairs(words: Words, sketch: Array, least: Integer) -> tuple[Array, Integer]:
    """Counts the pairs whose cell in the sketch is at least `least`, and the words of each; returns
    the rows of the pairs and their number.
    """
    cells, mask = words.cells, numpy.uint64(len(sketch) - 1)
    slots = numpy.zeros(1 << 10, numpy.int32)
    rows = numpy.zeros((1 << 9, 4), numpy.int64)
    used = numpy.int64(0)
    word = 0
    while word < words.end:
        count = count_of(words, word)
        at = word + COUNT_CELLS
        while cells[at + 1] != words.stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            at += 1
            if sketch[hash_number(key) & mask] < least:
                continue
            slot = slot_of_key(slots, rows, key)
            if not slots[slot]:
                if used == len(rows):
                    rows = longer(rows, numpy.int64(0))
                rows[used, KEY], rows[used, COUNT] = key, 0
                rows[used, START], rows[used, SIZE] = -1, 0
                used += 1
                slots[slot] = used
                if 2 * used > len(slots):
                    slots = enlarged(slots, rows, used)
                    slot = slot_of_key(slots, rows, key)
            pair = slots[slot] - 1
            rows[pair, COUNT] += count
            if rows[pair, START] != word:  # until the lists are laid out: the last word of each
                rows[pair, START] = word
                rows[pair, SIZE] += 1
        word = at + 2
    return rows, used


@kernel
def keep_frequent(pairs: Pairs, used: Integer, least: Integer) -> Integer:
    """Keeps those of the first `used` pairs that are seen at least `least` times, puts them in the
    slots, which must be empty, and returns how many there are.
    """
    rows = pairs.rows
    kept = 0
    for pair in range(used):
        if rows[pair, COUNT] >= least:
            for column in range(4):
                rows[kept, column] = rows[pair, column]
            kept += 1
    index_rows(pairs.slots, rows, kept)
    return kept


@kernel
def list_words(words: Words, pairs: Pairs, used: Integer, lists: Array) -> Integer:
    """Lists the words of each pair in `lists`, and returns how many entries are used."""
    cells, rows = words.cells, pairs.rows
    filled: Integer = 0
    for pair in range(used):
        rows[pair, START] = filled
        filled += rows[pair, SIZE]
        rows[pair, SIZE] = 0
    word = 0
    while word < words.end:
        at = word + COUNT_CELLS
        while cells[at + 1] != words.stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            at += 1
            pair = row_of(pairs.slots, rows, key)
            if pair < 0:
                continue
            place = rows[pair, START] + rows[pair, SIZE]
            if not rows[pair, SIZE] or lists[place - 1] != word:
                lists[place] = word
                rows[pair, SIZE] += 1
        word = at + 2
    return filled
