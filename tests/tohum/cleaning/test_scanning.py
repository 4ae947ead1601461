import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.cleaning.scanning import Needles, run

STRINGS = ("abc", "abcd", "bca", "ABa", "aaa", "_ab-")
NEEDLES = Needles(STRINGS)
KINDS = numpy.zeros(256, numpy.uint8)
KINDS[list(b"ab")] = 2


@settings(deadline=None)  # the first call compiles
@given(st.text("abcdAB_-ğ", max_size=30))
def test_it_finds_each_string_that_is_there(text: str) -> None:
    found = NEEDLES.found(numpy.frombuffer(text.encode(), numpy.uint8))
    there = {string for string in STRINGS if string.lower() in text.lower()}
    assert found == there


@settings(deadline=None)
@given(st.binary(max_size=40).map(lambda data: bytes(b"ab-"[byte % 3] for byte in data)))
def test_a_run_is_the_first_that_is_long_enough(data: bytes) -> None:
    values = numpy.frombuffer(data, numpy.uint8)
    runs = [piece for piece in data.split(b"-") if len(piece) >= 3]
    begin, end = run(values, KINDS, 2, 0, 3)
    assert data[begin:end] == (runs[0] if runs else b"")
