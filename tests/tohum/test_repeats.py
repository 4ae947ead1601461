from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
from hypothesis import given
from hypothesis import strategies as st

from tohum.fetch.row_rules import row_keys
from tohum.repeats import KEY, KEY_BYTES, Buckets, DuplicateFinder

SHA1S = st.integers(0, 9).map(lambda number: f"{number:040x}")
NAMES = st.lists(SHA1S | st.sampled_from(["", "http://host/a", "http://host/b", "a b" * 13 + "c"]))
WANTED = st.lists(st.tuples(NAMES, st.randoms(use_true_random=False)), max_size=5)


@given(WANTED)
def test_duplicates_are_those_of_a_set(batches: list[tuple[list[str], Any]]) -> None:
    seen: set[str] = set()
    expected = []
    with TemporaryDirectory() as folder:
        finder = DuplicateFinder(Path(folder))
        for names, chance in batches:
            places = [place for place in range(len(names)) if chance.random() < 0.7]
            finder.add(
                row_keys([names[place] for place in places]),
                numpy.array(places, numpy.int64),
                len(names),
            )
            for place, name in enumerate(names):
                expected.append(place in places and name in seen)
                seen |= {name} if place in places else set()
        bits = finder.find()
        assert list(Path(folder).iterdir()) == []
    found = numpy.unpackbits(bits, bitorder="little")[: len(expected)]
    assert found.astype(bool).tolist() == expected
    assert not numpy.unpackbits(bits, bitorder="little")[len(expected) :].any()


def test_keys_that_end_in_zeros_or_differ_in_the_last_bit_are_told_apart(tmp_path: Path) -> None:
    keys = [bytes([7]) + bytes(19), bytes([7]) + bytes(18) + b"\x01", bytes(20), bytes([7])]
    names = [key.ljust(KEY_BYTES, b"\0").hex() for key in keys]
    finder = DuplicateFinder(tmp_path)
    finder.add(row_keys(names), numpy.arange(4), 4)
    assert finder.find()[0] == 0b1000


@given(st.lists(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), max_size=200))
def test_buckets_sort_all_keys_and_keep_the_order_of_equal_ones(keys: list[bytes]) -> None:
    entries = numpy.array([(key, row) for row, key in enumerate(keys)], KEY)
    with TemporaryDirectory() as folder:
        buckets = Buckets(Path(folder), KEY)
        for start in range(0, len(keys), 7):
            buckets.add(entries[start : start + 7])
        rows = numpy.concatenate([part["row"] for part in buckets.sorted()]).tolist()
    assert rows == sorted(range(len(keys)), key=lambda row: (keys[row], row))
