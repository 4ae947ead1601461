"""A language model that has counted the training text: interpolated n-grams over the same tokens.

All n-grams, packed into 64 bits and sorted, are one array: those that begin alike stand side by
side, so two binary searches count any n-gram of any length, and the tokens that have followed a
context are a slice. 16 million tokens are sorted in a second; with what counting needs beside, they
take 0.3 GB.

The probability of a token w after a context h is that of absolute discounting, interpolated with
the context that is shorter by one (Ney, Essen and Kneser 1994,
https://doi.org/10.1006/csla.1994.1001):

    p(w | h) = (max(c(hw) - D, 0) + D n(h) p(w | h without its first token)) / c(h)

c counts, n(h) is how many different tokens follow h, and D = n1 / (n1 + 2 n2), from the n-grams of
that length that occur once and twice. The shortest context, none, falls back on equal chances.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy
import torch

Ids = numpy.ndarray[Any, Any]

LONGEST = 5  # tokens of an n-gram; with more than 4,096 entries, as many as fit into 64 bits
SMALLEST_DISCOUNT, LARGEST_DISCOUNT = 0.1, 0.9  # no probability is 0
REMEMBERED = 4096  # contexts whose followers are kept: those of frequent ones take milliseconds


class Ngrams:
    """The n-grams of a text; a `Reader`, so it writes as the network does.

    Args:
        ids: the text, (tokens,), at least one; an <|endoftext|>, id 0, before each document.
        vocab_size: entries of the vocabulary.
        context: the number of ids that `logits` may be given.
    """

    def __init__(self, ids: Ids, vocab_size: int, context: int) -> None:
        self.context = context
        self.vocab_size = vocab_size
        self._bits = max(1, (vocab_size - 1).bit_length())
        self.order = min(LONGEST, 64 // self._bits)
        self._sorted = self._packed(ids)
        self._sorted.sort()
        self._discounts = [self._discount(size) for size in range(1, self.order + 1)]
        self._followers = lru_cache(REMEMBERED)(self._find_followers)

    def _packed(self, ids: Ids) -> Ids:
        packed = numpy.zeros(len(ids), numpy.uint64)
        for offset in range(self.order):
            packed <<= self._bits
            packed[: len(ids) - offset] |= ids[offset:].astype(numpy.uint64)
        return packed

    def _firsts(self, size: int) -> Ids:
        """Returns where another n-gram of `size` tokens begins in the sorted array, and its end:
        (tokens + 1,) of bool.
        """
        heads = self._sorted >> self._unused(size)
        firsts = numpy.ones(len(heads) + 1, numpy.bool_)
        numpy.not_equal(heads[1:], heads[:-1], out=firsts[1:-1])
        return firsts

    def _unused(self, size: int) -> int:
        return self._bits * (self.order - size)

    def _discount(self, size: int) -> float:
        firsts = self._firsts(size)
        once = int((firsts[:-1] & firsts[1:]).sum())
        twice = int((firsts[:-2] & ~firsts[1:-1] & firsts[2:]).sum())
        share = once / (once + 2 * twice) if once else 0.0
        return min(max(share, SMALLEST_DISCOUNT), LARGEST_DISCOUNT)

    def _places(self, grams: Ids, size: int) -> tuple[Ids, Ids]:
        """Returns where the n-grams of `size` tokens stand in the sorted array: from, and up to."""
        unused = self._unused(size)
        first = grams << unused
        last = first | numpy.uint64((1 << unused) - 1)
        low = numpy.searchsorted(self._sorted, first, "left")
        return low, numpy.searchsorted(self._sorted, last, "right")

    def bits(self, documents: Sequence[Ids]) -> float:
        """Returns the bits that the documents take, <|endoftext|> first, which is given."""
        ids = numpy.concatenate(documents).astype(numpy.uint64)
        places = numpy.concatenate([numpy.arange(len(document)) for document in documents])
        chances: Ids = numpy.full(len(ids), 1 / self.vocab_size)
        grams: Ids = numpy.zeros(len(ids), numpy.uint64)
        low: Ids = numpy.zeros(len(ids), numpy.int64)
        high: Ids = numpy.full(len(ids), len(self._sorted))
        for size in range(1, self.order + 1):
            # Each id's context of size - 1 tokens, which ends at the id before it.
            low, high = (numpy.roll(found, 1) for found in (low, high))
            different = numpy.zeros(len(self._sorted) + 1, numpy.int32)
            numpy.cumsum(self._firsts(size)[:-1], out=different[1:])
            grams = (numpy.roll(grams, 1) << self._bits) | ids
            known = (places >= size - 1) & (high > low)
            total = numpy.where(known, high - low, 1)
            discount = self._discounts[size - 1]
            kept = discount * (different[high] - different[low])
            low, high = self._places(grams, size)
            counted = numpy.maximum(high - low - discount, 0)
            mixed = (counted + kept * chances) / total
            chances = numpy.where(known, mixed, chances)
        return float(-numpy.log2(chances[places > 0]).sum())

    def chances(self, ids: Sequence[int]) -> Ids:
        """Returns the probability of each token after the ids, (vocabulary,) of float64."""
        chances = numpy.full(self.vocab_size, 1 / self.vocab_size)
        for size in range(min(self.order - 1, len(ids)) + 1):
            found, counts, total = self._followers(tuple(ids[len(ids) - size :]))
            if total == 0:
                break
            discount = self._discounts[size]
            chances *= discount * len(found) / total
            chances[found] += (counts - discount) / total
        return chances

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """As `Reader.logits`: the logarithms of the probabilities."""
        return torch.from_numpy(numpy.log(self.chances(ids))).float()

    def _find_followers(self, context: tuple[int, ...]) -> tuple[Ids, Ids, int]:
        """Returns the tokens that have followed a context, how often each, and how often all."""
        gram = 0
        for id in context:
            gram = gram << self._bits | id
        low, high = 0, len(self._sorted)
        if context:
            grams = numpy.array([gram], numpy.uint64)
            low, high = (int(place[0]) for place in self._places(grams, len(context)))
        followers = self._sorted[low:high] >> self._unused(len(context) + 1)
        followers &= numpy.uint64((1 << self._bits) - 1)
        ids, counts = numpy.unique(followers, return_counts=True)
        return ids.astype(numpy.int64), counts, high - low
