import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.kernels.hashing import index_rows, long_key, row_of, short_key, slots_for
from tohum.kernels.text import text_arrays

KEYS = st.lists(st.integers(0, 2**63 - 1), max_size=40, unique=True)


@settings(deadline=None)
@given(KEYS, KEYS)
def test_rows_are_found_by_their_key_and_no_others(keys: list[int], others: list[int]) -> None:
    rows = numpy.array(keys, numpy.int64).reshape(-1, 1)
    slots = slots_for(len(rows))
    index_rows(slots, rows, len(rows))
    assert [row_of(slots, rows, key) for key in keys] == list(range(len(keys)))
    known = dict(zip(keys, range(len(keys)), strict=True))
    assert [row_of(slots, rows, key) for key in others] == [known.get(key, -1) for key in others]


@settings(deadline=None)
@given(st.binary(max_size=20), st.binary(min_size=1, max_size=30), st.binary(max_size=20))
def test_a_key_depends_on_its_bytes_alone(before: bytes, text: bytes, after: bytes) -> None:
    key = short_key if len(text) <= 8 else long_key
    _, alone = text_arrays(text)
    _, inside = text_arrays(before + text + after)
    found = key(inside, len(before), len(text))
    assert found == key(alone, 0, len(text))
    if len(text) <= 8:
        assert int(found) == int.from_bytes(text, "little")
