"""MinHash signatures: estimates how similar two documents are from 1 kB each.

The share of places at which two signatures agree estimates the Jaccard similarity of the documents'
sets of shingles, with a standard error of sqrt(J (1 - J) / PERMUTATIONS), at most 0.031 (Broder
1997, "On the resemblance and containment of documents").
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from tohum.cleaning.shingles import shingles
from tohum.kernels.compilation import kernel

PERMUTATIONS = 256  # as in The Stack v3; The Stack v2 has 250
U32 = numpy.uint32
U64 = numpy.uint64
# Odd, so that multiplying by one permutes the 32-bit numbers.
FACTORS = numpy.frombuffer(hashlib.shake_128(b"minhash").digest(4 * PERMUTATIONS), "<u4") | U32(1)


@kernel
def _minima(found: Any, offsets: Any, factors: Any, minima: Any) -> None:
    """Writes the minimum of each permutation over each document's shingles to `minima`.

    A permutation is lower half * factor + upper half: one 32-bit multiplication, which the compiler
    does for eight or sixteen permutations at once.
    """
    for document in range(len(offsets) - 1):
        least = minima[document]
        for index in range(offsets[document], offsets[document + 1]):
            lower, upper = U32(found[index]), U32(found[index] >> U64(32))
            for number in range(len(factors)):
                value = U32(lower * factors[number] + upper)
                least[number] = min(least[number], value)


def signatures(texts: Sequence[str]) -> NDArray[numpy.uint32]:
    """Returns the signature of each text, (texts, PERMUTATIONS).

    They depend only on the text; pass a few hundred texts at a time, in any process.
    """
    found, offsets = shingles(texts)
    minima = numpy.full((len(texts), PERMUTATIONS), 2**32 - 1, U32)
    _minima(found, offsets, FACTORS, minima)
    return minima
