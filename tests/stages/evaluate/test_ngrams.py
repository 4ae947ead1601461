import math
import random
from collections import Counter

import numpy
import pytest

from stages.evaluate.ngrams import LARGEST_DISCOUNT, SMALLEST_DISCOUNT, Ngrams

VOCABULARY = 6
RANDOM = random.Random(0)
TEXT = [0] + [RANDOM.choice([1, 2, 2, 3, 4]) for _ in range(300)]
DOCUMENTS = [[0, 1, 2, 2, 3], [0, 5, 5], [0], [0, *TEXT[20:40]]]


class Counted:
    """Absolute discounting with dictionaries, straight from the formula."""

    def __init__(self, ids: list[int], order: int) -> None:
        padded = ids + [0] * order
        self.grams = [
            Counter(tuple(padded[at : at + size]) for at in range(len(ids)))
            for size in range(order + 1)
        ]

    def chance(self, word: int, context: tuple[int, ...]) -> float:
        lower = self.chance(word, context[1:]) if context else 1 / VOCABULARY
        size = len(context) + 1
        total = self.grams[size - 1][context]
        if not total:
            return lower
        times = Counter(self.grams[size].values())
        discount = times[1] / (times[1] + 2 * times[2]) if times[1] else 0
        discount = min(max(discount, SMALLEST_DISCOUNT), LARGEST_DISCOUNT)
        followers = sum(gram[:-1] == context for gram in self.grams[size])
        count = self.grams[size][(*context, word)]
        return (max(count - discount, 0) + discount * followers * lower) / total


@pytest.fixture(scope="module")
def ngrams() -> Ngrams:
    return Ngrams(numpy.array(TEXT, numpy.uint16), VOCABULARY, 256)


def test_chances_are_those_of_a_dictionary_of_counts(ngrams: Ngrams) -> None:
    counted = Counted(TEXT, ngrams.order)
    for context in ([], [2], [1, 2], [5, 2], TEXT[7:11], [5, 5, 5, 5], TEXT[3:30]):
        wanted = [
            counted.chance(word, tuple(context[-(ngrams.order - 1) :]))
            for word in range(VOCABULARY)
        ]
        assert ngrams.chances(context) == pytest.approx(wanted)
        assert sum(wanted) == pytest.approx(1)
        assert ngrams.logits(context).exp().tolist() == pytest.approx(wanted, rel=1e-5)


def test_bits_of_documents_are_the_sum_over_their_tokens_and_no_context_crosses_them(
    ngrams: Ngrams,
) -> None:
    one_by_one = -sum(
        math.log2(ngrams.chances(ids[:at])[ids[at]])
        for ids in DOCUMENTS
        for at in range(1, len(ids))
    )
    documents = [numpy.array(ids, numpy.uint16) for ids in DOCUMENTS]
    assert ngrams.bits(documents) == pytest.approx(one_by_one)


@pytest.mark.parametrize(("vocab_size", "order"), [(300, 5), (4096, 5), (65_536, 4), (100_000, 3)])
def test_an_order_is_what_fits_into_64_bits_and_the_largest_id_is_counted(
    vocab_size: int, order: int
) -> None:
    last = vocab_size - 1
    ngrams = Ngrams(numpy.full(50, last, numpy.uint32), vocab_size, 256)
    assert ngrams.order == order
    assert ngrams.chances([last] * 9).argmax() == last
