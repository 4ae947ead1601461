"""Byte-pair encoding on a (pretoken, count) table: exact, deterministic, every merge with its
counts.

Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909), on bytes. The most frequent pair of
neighbours is merged first, and among equally frequent pairs the one with the smaller ids, as
`tokenizers` does; the counts have 64 bits, where those of `tokenizers` have 32 and wrap at about
12 GB of code.

The work is done in rounds. A round counts all pairs, keeps those that are seen at least `least`
times, each with the list of the words it occurs in, and merges until none is left; the next one has
a smaller `least`. A pair's count grows only while the merge that makes its later part is applied,
so what is then rarer than `least` can be left out. Few pairs are ever frequent enough to be merged,
and only these few cost memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy

from stages.pretokens.table import Array, Batch
from stages.tokenizer.merges import Merge
from stages.tokenizer.pairs import compact, frequent_pairs, list_words, sketch_pairs
from stages.tokenizer.rounds import merge_round

SHRINK = 8  # `least` from round to round: a round of counting is cheap beside a long list of words
SKETCH_CELLS = 1 << 20
SMALL_IDS = 1 << 16


@dataclass
class Words:
    """The corpus as BPE sees it: the ids of all words, one after another, and of each word (with
    two ids or more) where it starts, its length in ids, and its count.
    """

    symbols: Array
    starts: Array
    lengths: Array
    counts: Array


def _arrays(words: Words) -> tuple[Array, Array, Array, Array]:
    return words.symbols, words.starts, words.lengths, words.counts


def read_words(table: Iterable[Batch], byte_ids: list[int], vocab_size: int) -> Words:
    """Returns the words of a table; the id of each byte is `byte_ids[byte]`."""
    dtype = numpy.uint16 if vocab_size <= SMALL_IDS else numpy.int32
    ids = numpy.array(byte_ids, dtype)
    symbols = numpy.zeros(0, dtype)
    lengths, counts = numpy.zeros(0, numpy.int32), numpy.zeros(0, numpy.int64)
    for batch in table:
        _extend(symbols, ids[batch.data])
        _extend(lengths, batch.lengths)
        _extend(counts, batch.counts)
    starts = numpy.zeros(len(lengths), numpy.int64)
    numpy.cumsum(lengths[:-1], out=starts[1:])
    return Words(symbols, starts, lengths, counts)


def _extend(array: Array, more: Array) -> None:
    """Appends to an array in place: a long one is moved by the system, not copied."""
    size = len(array)
    array.resize(size + len(more), refcheck=False)
    array[size:] = more


def train_merges(
    table: Iterable[Batch],
    byte_ids: list[int],
    first_id: int,
    vocab_size: int,
    min_frequency: int,
    forbidden: Sequence[tuple[int, int]] = (),
) -> list[Merge]:
    """Returns the merges in order; new tokens have the ids `first_id`, `first_id + 1`, ...

    Args:
        table: the pretokens and their counts; the sum of pretoken bytes times count must be below
            2^63.
        byte_ids: the id of each byte, by byte value; all below `first_id`.
        vocab_size: the number of ids that ends the training; so does the first pair that is
            seen less than `min_frequency` times.
        forbidden: pairs of ids that are never merged.
    """
    words = read_words(table, byte_ids, vocab_size)
    merges = numpy.zeros((max(vocab_size - first_id, 0), 4), numpy.int64)
    keys = numpy.array([left << 32 | right for left, right in forbidden], numpy.int64)
    done, least, number = 0, 0, len(words.counts)
    while done < len(merges) and least != min_frequency:
        number = compact(*_arrays(words), number)
        sketch = numpy.zeros(SKETCH_CELLS, numpy.int64)
        sketch_pairs(*_arrays(words), number, sketch)
        least = max(min_frequency, (least or int(sketch.max())) // SHRINK)
        slots, pairs, used = frequent_pairs(*_arrays(words), number, sketch, least)
        lists, end = list_words(*_arrays(words)[:3], number, slots, pairs, used, least)
        done = merge_round(
            *_arrays(words), slots, pairs, used, lists, end, least, first_id, keys, merges, done
        )
    return [
        Merge(left, right, first_id + index, count, saved)
        for index, (left, right, count, saved) in enumerate(merges[:done].tolist())
    ]
