import re

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.cleaning import encoded
from tohum.cleaning.encoded import RUN, SHARE

PATTERNS = (  # as the paper has them
    rb"[a-zA-Z0-9+/\n=]{64,}",
    rb"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}",
    rb"(?:\\u[0-9a-fA-F]{4}){8,}",
)
PIECES = (
    *(rb"\x41", rb"\x", b"0x4f,", b"0xAB ", b"0x", b"4f", b"4f ", b"4f,", b", ", b"\n", b"  "),
    *(b"4", rb"\u0041", rb"\u004", b"x", b"_", b"'", b"def f(a):\n", b"\\", b"A" * 40, b"="),
    *(rb"\x41" * 9, b"0x4f," * 9, b"4f " * 9, rb"\u0041" * 9, b"Q29" * 30, b"ab, " * 9),
    "ş".encode(),
)


def is_encoded(data: bytes) -> bool:
    return encoded.is_encoded(numpy.frombuffer(data, numpy.uint8))


def by_the_patterns(data: bytes) -> bool:
    for pattern in PATTERNS:
        sizes = [len(found.group()) for found in re.finditer(pattern, data)]
        if max(sizes, default=0) > RUN or sum(sizes) > int(SHARE * len(data)):
            return True
    return False


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(1, 40))
def test_it_finds_what_the_patterns_find(pieces: list[bytes], times: int) -> None:
    data = b"".join(pieces)
    assert is_encoded(data) == by_the_patterns(data)
    long = b"# the way we were and are\n" * 200 + data * times
    assert is_encoded(long) == by_the_patterns(long)


@pytest.mark.parametrize("run", [b"QUJD", rb"\x41", b"0x41,", b"41 ", rb"\u0041"])
def test_a_long_run_is_enough_and_a_short_one_is_not(run: bytes) -> None:
    code = b"def f(a, b):\n    return a + b  # of two\n" * 1000
    assert not is_encoded(code + b'"' + run * (900 // len(run)) + b'"')
    assert is_encoded(code + b'"' + run * (1100 // len(run)) + b'"')


def test_it_is_encoded_where_most_of_it_is() -> None:
    assert is_encoded(b"key = '" + b"QUJD" * 20 + b"'")
    assert not is_encoded(b"a key, and it is told in more words than it has: " * 3 + b"QUJD" * 20)
    assert not is_encoded(b"")
