"""The pairs of a round of byte-pair encoding: a hash map of them, and a heap with the best on top.

A pair is a row of int64 (pairs, 4): its key (the left id in the high 32 bits, the right one in the
low), its count, and where in `lists` the words it occurs in are listed, and how many these are.
"""

import numpy

from stages.tokenizer.words import COUNT_CELLS, count_of
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, allocating, kernel
from tohum.kernels.hashing import hash_pair

KEY, COUNT, START, SIZE = range(4)


@kernel
def find(slots: Array, pairs: Array, key: Integer) -> Integer:
    """Returns the slot of a pair, or the empty one where it belongs."""
    mask = numpy.uint64(len(slots) - 1)
    slot = hash_pair(key) & mask
    while slots[slot] and pairs[slots[slot] - 1, KEY] != key:
        slot = (slot + numpy.uint64(1)) & mask
    return slot


@allocating
def refilled(slots: Array, pairs: Array, used: Integer) -> Array:
    """Returns twice as many slots, with all pairs in them."""
    larger = numpy.zeros(2 * len(slots), numpy.int32)
    for pair in range(used):
        larger[find(larger, pairs, pairs[pair, KEY])] = pair + 1
    return larger


@allocating
def longer(rows: Array, least: Integer) -> Array:
    """Returns a copy of `rows` with half as many more, and with `least` at the least."""
    grown = numpy.empty((max(len(rows) * 3 // 2, least), rows.shape[1]), rows.dtype)
    for row in range(len(rows)):
        for column in range(rows.shape[1]):
            grown[row, column] = rows[row, column]
    return grown


@kernel
def better(
    pairs: Array, count: Integer, pair: Integer, other_count: Integer, other: Integer
) -> bool:
    """Whether a pair is merged before another: it is more frequent, or has the smaller ids."""
    smaller = pairs[pair, KEY] < pairs[other, KEY]
    return bool(count > other_count or (count == other_count and smaller))


@kernel
def sift_up(heap: Array, at: Integer, pairs: Array, count: Integer, pair: Integer) -> None:
    """Puts a pair in the free place `at` or above it; a row of the heap is (count, pair)."""
    while at:
        above = (at - 1) // 2
        if not better(pairs, count, pair, heap[above, 0], heap[above, 1]):
            break
        heap[at, 0], heap[at, 1] = heap[above, 0], heap[above, 1]
        at = above
    heap[at, 0], heap[at, 1] = count, pair


@kernel
def sift_down(heap: Array, size: Integer, pairs: Array, count: Integer, pair: Integer) -> None:
    """Puts a pair in the free place at the top, or below it."""
    at = 0
    while 2 * at + 1 < size:
        below = 2 * at + 1
        if below + 1 < size and better(
            pairs, heap[below + 1, 0], heap[below + 1, 1], heap[below, 0], heap[below, 1]
        ):
            below += 1
        if better(pairs, count, pair, heap[below, 0], heap[below, 1]):
            break
        heap[at, 0], heap[at, 1] = heap[below, 0], heap[below, 1]
        at = below
    heap[at, 0], heap[at, 1] = count, pair


@kernel
def sketch_pairs(cells: Array, end: Integer, large: Array, stop: Integer, sketch: Array) -> None:
    """Adds up the counts of pairs by their hash: no pair is more frequent than its cell says."""
    mask = numpy.uint64(len(sketch) - 1)
    word = 0
    while word < end:
        count = count_of(cells, word, large)
        at = word + COUNT_CELLS
        while cells[at + 1] != stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            sketch[hash_pair(key) & mask] += count
            at += 1
        word = at + 2


@allocating
def frequent_pairs(
    cells: Array, end: Integer, large: Array, stop: Integer, sketch: Array, least: Integer
) -> tuple[Array, Integer]:
    """Counts the pairs whose cell of the sketch is at least `least`, and the words of each; returns
    the pairs and their number.
    """
    mask = numpy.uint64(len(sketch) - 1)
    slots = numpy.zeros(1 << 10, numpy.int32)
    pairs = numpy.zeros((1 << 9, 4), numpy.int64)
    used = numpy.int64(0)
    word = 0
    while word < end:
        count = count_of(cells, word, large)
        at = word + COUNT_CELLS
        while cells[at + 1] != stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            at += 1
            if sketch[hash_pair(key) & mask] < least:
                continue
            slot = find(slots, pairs, key)
            if not slots[slot]:
                if used == len(pairs):
                    pairs = longer(pairs, numpy.int64(0))
                pairs[used, KEY], pairs[used, COUNT] = key, 0
                pairs[used, START], pairs[used, SIZE] = -1, 0
                used += 1
                slots[slot] = used
                if 2 * used > len(slots):
                    slots = refilled(slots, pairs, used)
                    slot = find(slots, pairs, key)
            pair = slots[slot] - 1
            pairs[pair, COUNT] += count
            if pairs[pair, START] != word:  # until the lists are laid out: the last word of each
                pairs[pair, START] = word
                pairs[pair, SIZE] += 1
        word = at + 2
    return pairs, used


@kernel
def keep_frequent(pairs: Array, used: Integer, least: Integer, slots: Array) -> Integer:
    """Moves the pairs that are seen at least `least` times together, puts them in `slots`, empty
    ones, and returns how many they are.
    """
    kept = 0
    for pair in range(used):
        if pairs[pair, COUNT] >= least:
            for column in range(4):
                pairs[kept, column] = pairs[pair, column]
            kept += 1
            slots[find(slots, pairs, pairs[kept - 1, KEY])] = kept
    return kept


@kernel
def list_words(
    cells: Array,
    end: Integer,
    stop: Integer,
    slots: Array,
    pairs: Array,
    used: Integer,
    lists: Array,
) -> Integer:
    """Lists the words of each pair in `lists`, and returns how much of them is used."""
    filled: Integer = 0
    for pair in range(used):
        pairs[pair, START] = filled
        filled += pairs[pair, SIZE]
        pairs[pair, SIZE] = 0
    word = 0
    while word < end:
        at = word + COUNT_CELLS
        while cells[at + 1] != stop:
            key = numpy.int64(cells[at]) << 32 | numpy.int64(cells[at + 1])
            at += 1
            found = slots[find(slots, pairs, key)] - 1
            if found < 0:
                continue
            place = pairs[found, START] + pairs[found, SIZE]
            if not pairs[found, SIZE] or lists[place - 1] != word:
                lists[place] = word
                pairs[found, SIZE] += 1
        word = at + 2
    return filled
