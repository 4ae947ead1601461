"""Byte-pair encoding on a (pretoken, count) table: exact, deterministic, every merge with its
counts.

Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909), on bytes. The most frequent pair of
neighbours is merged first, and among equally frequent pairs the one with the smaller ids, as
`tokenizers` does; Python's integers don't overflow, where the 32-bit counts of `tokenizers` wrap at
about 12 GB of code.

The merges are found incrementally: a pair knows the words it occurs in, and a heap knows the next
best pair.
"""

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[int, int]


@dataclass
class Merge:
    """One merge: its parts' ids, the id of the token it makes, how often the pair stood in the
    corpus, and by how many tokens it shortened it.

    The last two differ where a pair overlaps itself: `aaa` holds (a, a) twice and is shortened by
    one.
    """

    left: int
    right: int
    id: int
    count: int
    saved: int


def train_merges(
    words: Mapping[bytes, int],
    byte_ids: list[int],
    first_id: int,
    vocab_size: int,
    min_frequency: int,
) -> list[Merge]:
    """Returns the merges in order; new tokens have the ids `first_id`, `first_id + 1`, ...

    Args:
        words: the pretokens and their counts.
        byte_ids: the id of each byte, by byte value; all below `first_id`.
        vocab_size: the number of ids that ends the training; so does the first pair that is
            seen less than `min_frequency` times.
    """
    symbols = [[byte_ids[byte] for byte in word] for word in words]
    counts = list(words.values())
    pair_counts: dict[Pair, int] = defaultdict(int)
    occurrences: dict[Pair, set[int]] = defaultdict(set)
    for index, ids in enumerate(symbols):
        for pair in pairwise(ids):
            pair_counts[pair] += counts[index]
            occurrences[pair].add(index)
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)

    merges: list[Merge] = []
    while first_id + len(merges) < vocab_size and heap:
        negative, pair = heapq.heappop(heap)
        count = pair_counts[pair]
        if count != -negative:  # the entry is old; the pair comes back with its present count
            if count > 0:
                heapq.heappush(heap, (-count, pair))
            continue
        if count < min_frequency:
            break
        new_id = first_id + len(merges)
        saved = 0
        grown: set[Pair] = set()
        for index in occurrences.pop(pair):
            before = symbols[index]
            after = _merged(before, pair, new_id)
            if len(after) == len(before):
                continue  # an earlier merge took the pair out of this word
            symbols[index] = after
            saved += (len(before) - len(after)) * counts[index]
            for old in pairwise(before):
                pair_counts[old] -= counts[index]
            for new in pairwise(after):
                pair_counts[new] += counts[index]
                if new_id in new:
                    occurrences[new].add(index)
                    grown.add(new)
        for new in grown:
            heapq.heappush(heap, (-pair_counts[new], new))
        merges.append(Merge(*pair, id=new_id, count=count, saved=saved))
    return merges


def _merged(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Returns `ids` with every non-overlapping occurrence of `pair`, from the left, replaced by
    `new_id`.
    """
    left, right = pair
    after: list[int] = []
    position, last = 0, len(ids) - 1
    while position <= last:
        if position < last and ids[position] == left and ids[position + 1] == right:
            after.append(new_id)
            position += 2
        else:
            after.append(ids[position])
            position += 1
    return after
