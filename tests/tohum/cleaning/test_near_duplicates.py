import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tohum.cleaning import near_duplicates
from tohum.cleaning.minhash import PERMUTATIONS, signatures
from tohum.cleaning.near_duplicates import bands_and_rows, find
from tohum.cleaning.shingles import shingles

Signatures = NDArray[numpy.uint32]


def found(batches: Iterator[Signatures] | list[Signatures], threshold: float = 0.7) -> list[int]:
    with TemporaryDirectory() as work:
        first: list[int] = find(batches, threshold, Path(work)).tolist()
        assert not list(Path(work).iterdir())
    return first


def words(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [f"word{generator.randrange(10**9)}" for _ in range(count)]


def similar_pair(similarity: float, seed: int) -> tuple[str, str]:
    """Two documents that share about that much of their shingles: one is the other and more."""
    longer = words(400, seed)
    return " ".join(longer), " ".join(longer[: round(396 * similarity) + 4])


def jaccard(left: str, right: str) -> float:
    sets = [set(shingles([text])[0].tolist()) for text in (left, right)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_signatures_are_the_same_on_every_machine() -> None:
    made = signatures(["def add(a, b):\n    return a + b\n", "", "Türkçe bir cümle daha var"])
    assert made.dtype == numpy.uint32
    assert made[:, :3].tolist() == [
        [1438403777, 107567823, 1751319121],
        [3024711071, 3178238839, 3332814831],
        [2439539149, 3439615629, 591310925],
    ]


def test_a_signature_does_not_depend_on_what_is_beside_it() -> None:
    texts = [" ".join(words(count, count)) for count in (0, 1, 4, 5, 6, 100)]
    alone = numpy.concatenate([signatures([text]) for text in texts])
    assert (signatures(texts) == alone).all()


def test_layout_and_punctuation_do_not_count_but_words_do() -> None:
    code = "def f(x):\n    if x:\n        return g(x, 1)\n"
    other = "def f(x) :\n\tif (x) : return g( x , 1 );"
    one, two, three = signatures([code, other, code.replace("g", "h")])
    assert (one == two).all()
    assert (one == three).mean() < 0.7


def test_estimates_are_as_good_as_the_formula_says() -> None:
    deviations = []
    for seed in range(200):
        left, right = similar_pair(0.3 + 0.003 * seed, seed)
        exact = jaccard(left, right)
        one, two = signatures([left, right])
        deviations.append(
            ((one == two).mean() - exact) / numpy.sqrt(exact * (1 - exact) / PERMUTATIONS)
        )
    assert abs(numpy.mean(deviations)) < 0.25
    assert 0.85 < numpy.std(deviations) < 1.15


@pytest.mark.parametrize(
    ("similarity", "least", "most"),
    [(0.5, 0, 0), (0.6, 0, 0.02), (0.65, 0, 0.12), (0.75, 0.85, 1), (0.8, 0.98, 1), (0.95, 1, 1)],
)
def test_pairs_are_found_from_the_threshold_on(
    similarity: float, least: float, most: float
) -> None:
    pairs = [similar_pair(similarity, seed) for seed in range(150)]
    assert abs(jaccard(*pairs[0]) - similarity) < 0.01
    first = found([signatures([text for pair in pairs for text in pair])])
    joined = [second == number for second, number in zip(first[1::2], first[::2], strict=True)]
    assert least <= sum(joined) / len(pairs) <= most


def test_it_finds_what_comparing_all_pairs_finds() -> None:
    generator = random.Random(8)
    base = [words(120, seed) for seed in range(30)]
    texts = []
    for _ in range(300):
        chosen = list(generator.choice(base))
        for _ in range(generator.randrange(12)):
            chosen[generator.randrange(120)] = "changed"
        texts.append(" ".join(chosen))
    made = signatures(texts)
    roots = list(range(len(texts)))
    for right in range(len(texts)):
        alike = (made[:right] == made[right]).mean(axis=1) >= 0.7
        joined = {roots[left] for left in numpy.flatnonzero(alike)}
        least = min({*joined, right})
        roots = [least if root in joined else root for root in roots]
        roots[right] = least
    agree = sum(one == other for one, other in zip(found([made]), roots, strict=True))
    assert agree >= 0.99 * len(texts)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 60), max_size=6), st.integers(0, 5))
def test_how_documents_are_cut_into_batches_changes_nothing(cuts: list[int], seed: int) -> None:
    texts = [" ".join(words(30, number % 17)[number % 3 :]) for number in range(seed, seed + 60)]
    made = signatures(texts)
    edges = sorted([0, *cuts, 60])
    assert found([made[start:end] for start, end in pairwise(edges)]) == found([made])


def test_sorting_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = signatures([" ".join(words(30, number % 40)) for number in range(100)])
    whole = found([made])
    monkeypatch.setattr(near_duplicates, "SORTED_AT_ONCE", 7)
    monkeypatch.setattr(near_duplicates, "PAIRS_AT_ONCE", 3)
    assert found([made]) == whole


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(["", "?", "a b", "a b c d e f", "import os"]), max_size=20))
def test_equal_documents_are_always_found_and_the_first_stays(texts: list[str]) -> None:
    first = found([signatures(texts)])
    assert first == [texts.index(text) for text in texts]


def test_near_duplicates_of_near_duplicates_belong_together() -> None:
    chain = words(200, 1)
    texts = [" ".join(chain[start : start + 100]) for start in range(0, 60, 10)]
    assert jaccard(texts[0], texts[-1]) < 0.4
    assert found([signatures([texts[3], "other words", *texts])]) == [0, 1] + [0] * 6


def test_no_documents_are_no_near_duplicates() -> None:
    assert found([]) == []
    assert found([signatures([])]) == []


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.85, 0.95])
def test_bands_make_a_pair_above_the_threshold_a_candidate(threshold: float) -> None:
    bands, rows = bands_and_rows(threshold, PERMUTATIONS)
    assert bands * rows <= PERMUTATIONS
    above, below = threshold + 0.04, threshold - 0.3
    assert 1 - (1 - above**rows) ** bands > 0.9
    assert 1 - (1 - below**rows) ** bands < 0.5
