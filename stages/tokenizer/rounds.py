"""One round of byte-pair encoding: merges pairs until none is seen `least` times."""

import numpy

from stages.tokenizer.pairs import (
    COUNT,
    KEY,
    SIZE,
    START,
    Pairs,
    Queued,
    enlarged,
    is_better,
    longer,
)
from stages.tokenizer.words import COUNT_CELLS, Words, count_of, end_of
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, allocating, inlined, kernel
from tohum.kernels.hashing import row_of, slot_of_key
from tohum.kernels.heap import sift_down, sift_up

# The new pairs of a merge, by their other id: first the rows of the pairs with that id on the left,
# then those with it on the right. A row is its count, words, last word and place in a list.
NEW_COUNT, NEW_SIZE, NEW_WORD, NEW_PLACE = range(4)


@allocating
def with_room(
    lists: Array, end: Integer, room: Integer, rows: Array, used: Integer, least: Integer
) -> tuple[Array, Integer]:
    """Returns the lists with room for `room` more words, and where they end now.

    The lists of pairs that can no longer be merged are dropped first. The lists are in the order of
    the pairs, so the others can be moved down one by one.
    """
    if end + room <= len(lists):
        return lists, end
    end = numpy.int64(0)
    for pair in range(used):
        if rows[pair, COUNT] < least:
            continue
        start = rows[pair, START]
        rows[pair, START] = end
        for place in range(start, start + rows[pair, SIZE]):
            lists[end] = lists[place]
            end += 1
    if 4 * (end + room) <= 3 * len(lists):
        return lists, end
    grown = numpy.empty(end + room + (end + room) // 4, lists.dtype)
    for place in range(end):
        grown[place] = lists[place]
    return grown, end


@inlined
def merge_word(
    words: Words,
    word: Integer,
    key: Integer,
    new_id: Integer,
    pairs: Pairs,
    fresh: Array,
    touched: Array,
    used: Integer,
) -> tuple[Integer, Integer]:
    """Merges a pair in one word, from the left, and corrects the counts of the pairs around it.

    Writes (row of `fresh`, word) to `touched` from `used` on, once for each new pair of the word.
    Returns how many tokens this saved in the corpus, and the end of `touched`.
    """
    cells, stop, weight = words.cells, words.stop, count_of(words, word)
    left, right = key >> 32, key & 0xFFFFFFFF
    start = word + COUNT_CELLS
    read = write = start
    merged = 0
    was_merged = False
    last: Integer = 0  # the old symbol that ended the one before
    while cells[read] != stop:
        symbol = numpy.int64(cells[read])
        is_merged = symbol == left and cells[read + 1] == right
        if write > start and (is_merged or was_merged):
            old = row_of(pairs.slots, pairs.rows, last << 32 | symbol)
            if old >= 0:
                pairs.rows[old, COUNT] -= weight
            if was_merged:
                row = len(fresh) // 2 + (new_id if is_merged else symbol)
            else:
                row = last
            fresh[row, NEW_COUNT] += weight
            if fresh[row, NEW_WORD] != word:
                fresh[row, NEW_WORD] = word
                fresh[row, NEW_SIZE] += 1
                touched[used, 0], touched[used, 1] = row, word
                used += 1
        cells[write] = new_id if is_merged else symbol
        write += 1
        last = right if is_merged else symbol
        read += 2 if is_merged else 1
        merged += is_merged
        was_merged = is_merged
    cells[write:read] = stop
    return merged * weight, used


@kernel
def clear(fresh: Array, touched: Array, used: Integer) -> None:
    """Empties the rows of the new pairs."""
    for index in range(used):
        row = touched[index, 0]
        fresh[row, NEW_COUNT] = fresh[row, NEW_SIZE] = 0
        fresh[row, NEW_WORD] = -1


@kernel
def is_forbidden(key: Integer, forbidden: Array) -> bool:
    """Whether a pair must not be merged."""
    for other in forbidden:
        if other == key:
            return True
    return False


@allocating
def merge_pair(
    words: Words,
    listed: Array,
    key: Integer,
    new_id: Integer,
    pairs: Pairs,
    fresh: Array,
    touched: Array,
) -> tuple[Integer, Integer, Array]:
    """Merges a pair in the words listed for it; returns how many tokens this saved in the corpus,
    how many rows of `touched` are used, and `touched`, which may be a new array.
    """
    news = saved = numpy.int64(0)
    for index in range(len(listed)):
        word = numpy.int64(listed[index])
        most = news + 2 * (end_of(words, word) - word)
        if most > len(touched):
            touched = longer(touched, most)
        merged, news = merge_word(words, word, key, new_id, pairs, fresh, touched, news)
        saved += merged
    return saved, news, touched


@kernel
def fill_heap(heap: Array, queued: Queued, used: Integer, least: Integer) -> Integer:
    """Puts the pairs seen at least `least` times into an empty heap; returns its size."""
    size = 0
    for pair in range(used):
        if queued.rows[pair, COUNT] >= least:
            queued.counts[pair] = queued.rows[pair, COUNT]
            sift_up(heap, size, pair, is_better, queued)
            size += 1
    return size


@allocating
def merge_round(
    words: Words,
    pairs: Pairs,
    used: Integer,
    lists: Array,
    end: Integer,
    least: Integer,
    first_id: Integer,
    forbidden: Array,
    merges: Array,
    done: Integer,
) -> Integer:
    """Writes merges, as (left, right, count, saved), from row `done` on, and returns how many there
    are now. `used` pairs are given, and their lists of words end at `end`.
    """
    rows, slots = pairs.rows, pairs.slots
    counts = numpy.empty(len(rows), numpy.int64)
    heap = numpy.empty(used + 1024, numpy.int64)
    size = numpy.int64(fill_heap(heap, Queued(rows, counts), used, least))
    fresh = numpy.zeros((2 * (first_id + len(merges)), 4), numpy.int64)
    fresh[:, NEW_WORD] = -1
    touched = numpy.empty((1024, 2), numpy.int64)
    while done < len(merges) and size:
        pair = heap[0]
        key, count = rows[pair, KEY], rows[pair, COUNT]
        if counts[pair] != count and count >= least:
            counts[pair] = count  # it has become rarer
            sift_down(heap, size, pair, is_better, Queued(rows, counts))
            continue
        size -= 1
        sift_down(heap, size, heap[size], is_better, Queued(rows, counts))
        if count < least or is_forbidden(key, forbidden):
            continue
        new_id = first_id + done
        rows[pair, COUNT] = -1
        listed = lists[rows[pair, START] : rows[pair, START] + rows[pair, SIZE]]
        saved, news, touched = merge_pair(
            words, listed, key, new_id, Pairs(rows, slots), fresh, touched
        )
        merges[done, 0], merges[done, 1] = key >> 32, key & 0xFFFFFFFF
        merges[done, 2], merges[done, 3] = count, saved
        done += 1
        lists, end = with_room(lists, end, news, rows, used, least)
        for index in range(news):
            row, word = touched[index, 0], touched[index, 1]
            if fresh[row, NEW_COUNT] < least:
                continue
            if fresh[row, NEW_SIZE] > 0:  # seen for the first time: a new pair
                if used == len(rows):
                    rows = longer(rows, numpy.int64(0))
                    counts = numpy.append(counts, numpy.empty(len(rows) - used, numpy.int64))
                if 2 * used >= len(slots):
                    slots = enlarged(slots, rows, used)
                if size == len(heap):
                    heap = numpy.append(heap, numpy.empty_like(heap))
                half = len(fresh) // 2
                rows[used, KEY] = row << 32 | new_id if row < half else new_id << 32 | (row - half)
                rows[used, COUNT] = counts[used] = fresh[row, NEW_COUNT]
                rows[used, START], rows[used, SIZE] = end, fresh[row, NEW_SIZE]
                slots[slot_of_key(slots, rows, rows[used, KEY])] = used + 1
                sift_up(heap, size, used, is_better, Queued(rows, counts))
                size += 1
                used += 1
                fresh[row, NEW_PLACE] = end
                end += fresh[row, NEW_SIZE]
                fresh[row, NEW_SIZE] = 0
            lists[fresh[row, NEW_PLACE]] = word
            fresh[row, NEW_PLACE] += 1
        clear(fresh, touched, news)
    return done
