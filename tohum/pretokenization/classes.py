"""The class of each code point in a pretokenizer's pattern, as the engine in `tokenizers` sees it.

That engine (Oniguruma) has its own Unicode version: `regex` and this Python's unicodedata call
about 6,000 code points letters or numbers that it doesn't know. So the engine itself is asked.
"""

from functools import cache
from typing import Any

import numpy
from tokenizers import Regex, pre_tokenizers

OTHER, LETTER, NUMBER, SPACE = range(4)
PATTERNS = {LETTER: r"\p{L}", NUMBER: r"\p{N}", SPACE: r"\s"}
CODE_POINTS = 0x110000
PIECE = 1 << 12
SURROGATES = range(0xD800, 0xE000)
ASSIGNED_PLANES = (0, 1, 2, 3, 14)  # 4 to 13 are empty; 15 and 16 are for private use, so OTHER

Array = numpy.ndarray[Any, numpy.dtype[Any]]


@cache
def classes() -> Array:
    """Returns OTHER, LETTER, NUMBER or SPACE by code point: uint8 (CODE_POINTS,).

    All characters are cut once into runs of one class, and only the first of each run is
    classified: 0.3 s, where asking for each of the three classes in turn takes 2.4 s. The pieces
    have PIECE characters, because an answer takes 400 bytes per run.
    """
    table = numpy.zeros(CODE_POINTS, numpy.uint8)
    for plane in ASSIGNED_PLANES:
        for first in range(plane << 16, (plane + 1) << 16, PIECE):
            codes = [code for code in range(first, first + PIECE) if code not in SURROGATES]
            if codes:
                table[codes] = _kinds("".join(map(chr, codes)))
    return table


def _kinds(text: str) -> list[int]:
    """Returns the class of each character."""
    runs = _cut("|".join(f"{pattern}+" for pattern in PATTERNS.values()), text)
    firsts = "".join(text[start] for start, _ in runs)
    kinds = [OTHER] * len(runs)
    for kind, pattern in PATTERNS.items():
        for start, end in _cut(f"[^{pattern}]", firsts, "removed"):
            kinds[start:end] = [kind] * (end - start)
    return [kind for (start, end), kind in zip(runs, kinds, strict=True) for _ in range(start, end)]


def _cut(pattern: str, text: str, behavior: str = "isolated") -> list[tuple[int, int]]:
    """Returns the start and end of every piece of `text`, in characters."""
    pieces = pre_tokenizers.Split(Regex(pattern), behavior).pre_tokenize_str(text)
    return [span for _, span in pieces]
