"""The 5-grams of a text's words as 64-bit hashes, for near-duplicates and test sets.

A word is a run of `[A-Za-z0-9_]`, as in BigCode's deduplication of The Stack (Kocetkov et al. 2022,
arXiv 2211.15533), or of non-ASCII bytes of UTF-8, so that words of other alphabets stay whole;
BigCode's cuts there. Whatever is between words does not count, so neither does layout.

The hashes are the same on every machine. Changing them invalidates tohum/cleaning/*.npz.
"""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from tohum.kernels.compilation import kernel

WORDS = 5  # per shingle
IS_WORD = numpy.array(
    [byte > 127 or byte == ord("_") or chr(byte).isalnum() for byte in range(256)]
)
U64 = numpy.uint64
SEED = U64(0xCBF29CE484222325)  # FNV-1a's offset basis and prime
PRIME = U64(0x100000001B3)
ODD = U64(0x9E3779B97F4A7C15)


@kernel
def mix(value: Any) -> Any:
    """Returns 64 bits that all depend on all 64 of `value`: the end of splitmix64 (Steele et al.
    2014).
    """
    value = (value ^ (value >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> U64(27))) * U64(0x94D049BB133111EB)
    return value ^ (value >> U64(31))


@kernel
def _hash(data: Any, ends: Any, is_word: Any, found: Any, offsets: Any) -> None:
    """Writes the shingles of the documents that end at `ends` to `found`, starting at offsets[n]
    for document n. Words are hashed with FNV-1a.
    """
    place, start = 0, 0
    for document in range(len(ends)):
        end = ends[document]
        first = second = third = fourth = fifth = U64(0)
        words, inside, word = 0, False, SEED
        for index in range(start, end + 1):
            byte = data[index]  # a byte that is not in a word follows the last document
            if index < end and is_word[byte]:
                word = (word ^ U64(byte)) * PRIME
                inside = True
            elif inside:
                first, second, third, fourth, fifth = second, third, fourth, fifth, mix(word)
                words, inside, word = words + 1, False, SEED
                if words >= WORDS:
                    found[place] = _join(first, second, third, fourth, fifth)
                    place += 1
        if words < WORDS:
            if not words:
                for index in range(start, end):
                    word = (word ^ U64(data[index])) * PRIME
                fifth = ~mix(word)
            found[place] = _join(first, second, third, fourth, fifth)
            place += 1
        start = end
        offsets[document + 1] = place


@kernel
def _join(first: Any, second: Any, third: Any, fourth: Any, fifth: Any) -> Any:
    return mix((((first * ODD + second) * ODD + third) * ODD + fourth) * ODD + fifth)


def shingles(texts: Sequence[str]) -> tuple[NDArray[numpy.uint64], NDArray[numpy.int64]]:
    """Returns the shingles of all texts, with repetitions, and offsets: those of text n are
    `found[offsets[n] : offsets[n + 1]]`.

    A text has at least one shingle: all its words if it has fewer than WORDS, and all its bytes if
    it has none.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = numpy.cumsum([len(data) for data in encoded], dtype=numpy.int64)
    data = numpy.frombuffer(b"".join([*encoded, b"\0"]), numpy.uint8)
    found = numpy.empty(len(data) // 2 + len(texts) + 1, numpy.uint64)
    offsets = numpy.zeros(len(texts) + 1, numpy.int64)
    _hash(data, ends, IS_WORD, found, offsets)
    return found[: offsets[-1]], offsets
