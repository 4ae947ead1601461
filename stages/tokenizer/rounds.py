"""One round of byte-pair encoding: merges pairs until none is seen `least` times any more."""

import numpy

from stages.tokenizer.pairs import (
    COUNT,
    KEY,
    SIZE,
    START,
    find,
    longer,
    refilled,
    sift_down,
    sift_up,
)
from stages.tokenizer.words import COUNT_CELLS, count_of, end_of
from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, allocating, kernel

# The new pairs of a merge, by their other id: one row for the pair with that id on the left, then
# one for each with that id on the right. A row is its count, words, last word and place in a list.
NEW_COUNT, NEW_SIZE, NEW_WORD, NEW_PLACE = range(4)


@allocating
def with_room(
    lists: Array, end: Integer, room: Integer, pairs: Array, used: Integer, least: Integer
) -> tuple[Array, Integer]:
    """Returns the lists with room for as many more words, and where they end now.

    The lists of pairs that will not be merged any more make room first: their order is that of the
    pairs, so the others can be moved down one by one.
    """
    if end + room <= len(lists):
        return lists, end
    end = numpy.int64(0)
    for pair in range(used):
        if pairs[pair, COUNT] < least:
            continue
        start = pairs[pair, START]
        pairs[pair, START] = end
        for place in range(start, start + pairs[pair, SIZE]):
            lists[end] = lists[place]
            end += 1
    if 4 * (end + room) <= 3 * len(lists):
        return lists, end
    grown = numpy.empty(end + room + (end + room) // 4, lists.dtype)
    for place in range(end):
        grown[place] = lists[place]
    return grown, end


@kernel
def merge_word(
    cells: Array,
    word: Integer,
    stop: Integer,
    weight: Integer,
    left: Integer,
    right: Integer,
    new_id: Integer,
    slots: Array,
    pairs: Array,
    fresh: Array,
    touched: Array,
    used: Integer,
) -> tuple[Integer, Integer]:
    """Merges (left, right) in one word, from the left, and corrects the counts of the pairs around.

    Writes (row of `fresh`, word) to `touched` from `used` on, once for each new pair of the word.
    Returns how often the pair was merged, and the end of `touched`.
    """
    start = word + COUNT_CELLS
    read = write = start
    merged = 0
    was_merged = False
    last: Integer = 0  # the old symbol that ended the one before
    while cells[read] != stop:
        symbol = numpy.int64(cells[read])
        is_merged = symbol == left and cells[read + 1] == right
        if write > start and (is_merged or was_merged):
            old = slots[find(slots, pairs, last << 32 | symbol)] - 1
            if old >= 0:
                pairs[old, COUNT] -= weight
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
    return merged, used


@kernel
def clear(fresh: Array, touched: Array, used: Integer) -> None:
    """Makes the rows of the new pairs empty again."""
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
def merge_round(
    cells: Array,
    large: Array,
    stop: Integer,
    slots: Array,
    pairs: Array,
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
    are now; `used` pairs are given, and lists of words up to `end`.
    """
    heap = numpy.empty((used + 1024, 2), numpy.int64)
    size = numpy.int64(0)
    for pair in range(used):
        if pairs[pair, COUNT] >= least:
            sift_up(heap, size, pairs, pairs[pair, COUNT], pair)
            size += 1
    fresh = numpy.zeros((2 * (first_id + len(merges)), 4), numpy.int64)
    for row in range(len(fresh)):
        fresh[row, NEW_WORD] = -1
    touched = numpy.empty((1024, 2), numpy.int64)
    while done < len(merges) and size:
        count, pair = heap[0, 0], heap[0, 1]
        key = pairs[pair, KEY]
        if pairs[pair, COUNT] != count and pairs[pair, COUNT] >= least:
            sift_down(heap, size, pairs, pairs[pair, COUNT], pair)  # it has become rarer
            continue
        size -= 1
        sift_down(heap, size, pairs, heap[size, 0], heap[size, 1])
        if pairs[pair, COUNT] < least or is_forbidden(key, forbidden):
            continue
        left, right, new_id = key >> 32, key & 0xFFFFFFFF, first_id + done
        pairs[pair, COUNT] = -1
        news = saved = numpy.int64(0)
        for place in range(pairs[pair, START], pairs[pair, START] + pairs[pair, SIZE]):
            word = numpy.int64(lists[place])
            most = news + 2 * (end_of(cells, word, stop) - word)
            if most > len(touched):
                touched = longer(touched, most)
            weight = count_of(cells, word, large)
            merged, news = merge_word(
                cells,
                word,
                stop,
                weight,
                left,
                right,
                new_id,
                slots,
                pairs,
                fresh,
                touched,
                news,
            )
            saved += merged * weight
        merges[done, 0], merges[done, 1] = left, right
        merges[done, 2], merges[done, 3] = count, saved
        done += 1
        lists, end = with_room(lists, end, news, pairs, used, least)
        for index in range(news):
            row, word = touched[index, 0], touched[index, 1]
            if fresh[row, NEW_COUNT] < least:
                continue
            if fresh[row, NEW_SIZE] > 0:  # the first time: a new pair
                if used == len(pairs):
                    pairs = longer(pairs, numpy.int64(0))
                if 2 * used >= len(slots):
                    slots = refilled(slots, pairs, used)
                half = len(fresh) // 2
                pairs[used, KEY] = row << 32 | new_id if row < half else new_id << 32 | (row - half)
                pairs[used, COUNT], pairs[used, START] = fresh[row, NEW_COUNT], end
                pairs[used, SIZE] = fresh[row, NEW_SIZE]
                slots[find(slots, pairs, pairs[used, KEY])] = used + 1
                if size == len(heap):
                    heap = longer(heap, numpy.int64(0))
                sift_up(heap, size, pairs, pairs[used, COUNT], used)
                size += 1
                used += 1
                fresh[row, NEW_PLACE] = end
                end += fresh[row, NEW_SIZE]
                fresh[row, NEW_SIZE] = 0
            lists[fresh[row, NEW_PLACE]] = word
            fresh[row, NEW_PLACE] += 1
        clear(fresh, touched, news)
    return done
