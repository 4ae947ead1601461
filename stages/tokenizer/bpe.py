"""Byte-pair encoding on a (pretoken, count) table: exact and deterministic, with merge counts.

Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909), on bytes. The most frequent pair of
neighbours is merged first; among equally frequent pairs, the one with the smaller ids, as in
`tokenizers`. The counts have 64 bits; those of `tokenizers` have 32 and wrap at about 12 GB of
code.

The work is done in rounds. A round counts all pairs, keeps those seen at least `least` times, each
with the list of words it occurs in, and merges until none is left; the next round has a smaller
`least`. A pair's count grows only while the merge that makes its later part is applied, so pairs
rarer than `least` at that point can be ignored. Few pairs are ever frequent enough to be merged,
and only those cost memory.
"""

from collections.abc import Iterable, Sequence

import numpy

from stages.tokenizer.merges import Merge
from stages.tokenizer.pairs import (
    COUNT,
    SIZE,
    Pairs,
    frequent_pairs,
    keep_frequent,
    list_words,
    sketch_pairs,
)
from stages.tokenizer.rounds import merge_round
from stages.tokenizer.words import compact, read_words
from tohum.formats.pretoken_table import PretokenRows
from tohum.kernels.arrays import Array
from tohum.kernels.hashing import slots_for

SHRINK = 8  # of `least` per round: counting again is cheap compared with a long list of words
SKETCH_CELLS = 1 << 20
LISTED_WORDS = 1 << 23  # in the lists at the start of a round: 32 MB
SMALL_PLACES = 1 << 32


def train_merges(
    table: Iterable[PretokenRows],
    byte_ids: list[int],
    first_id: int,
    vocab_size: int,
    min_frequency: int,
    forbidden: Sequence[tuple[int, int]] = (),
) -> list[Merge]:
    """Returns the merges in order; new tokens have the ids `first_id`, `first_id + 1`, ...

    Args:
        table: the pretokens and their counts; the sum of bytes times count must be below 2^63.
        byte_ids: the id of each byte, by byte value; all below `first_id`.
        vocab_size: training ends at this number of ids, or earlier, when no pair is seen
            `min_frequency` times.
        forbidden: pairs of ids that are never merged.
    """
    words = read_words(table, byte_ids, vocab_size)
    places = numpy.uint32 if words.end < SMALL_PLACES else numpy.int64
    merges = numpy.zeros((max(vocab_size - first_id, 0), 4), numpy.int64)
    keys = numpy.array([left << 32 | right for left, right in forbidden], numpy.int64)
    done, least = 0, 0
    while done < len(merges) and least != min_frequency:
        words = words._replace(end=compact(words))
        sketch = numpy.zeros(SKETCH_CELLS, numpy.int64)
        sketch_pairs(words, sketch)
        last = least or int(sketch.max()) + 1
        least = max(min_frequency, last // SHRINK)
        rows, used = frequent_pairs(words, sketch, least)
        # Always below the last round's: a forbidden pair may stay the most frequent one.
        least = max(least, min(least_that_fits(rows[:used]), last - 1))
        pairs = Pairs(rows, slots_for(used))
        used = keep_frequent(pairs, used, least)
        listed = int(rows[:used, SIZE].sum())
        lists = numpy.empty(listed + listed // 4 + 1024, places)
        filled = list_words(words, pairs, used, lists)
        done = merge_round(words, pairs, used, lists, filled, least, first_id, keys, merges, done)
    return [
        Merge(left, right, first_id + index, count, saved)
        for index, (left, right, count, saved) in enumerate(merges[:done].tolist())
    ]


def least_that_fits(rows: Array) -> int:
    """Returns the smallest count such that the pairs at least as frequent list at most LISTED_WORDS
    words in all; the most frequent pairs always fit.
    """
    order = numpy.argsort(rows[:, COUNT])[::-1]
    counts = rows[order, COUNT]
    fitting = int(numpy.searchsorted(numpy.cumsum(rows[order, SIZE]), LISTED_WORDS, "right"))
    if fitting == len(counts):
        return 0
    return min(int(counts[fitting]) + 1, int(counts[0]))
