import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import kernel
from tohum.kernels.heap import sift_down, sift_up

NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60)


@kernel
def is_larger(item: int, other: int, keys: Array) -> bool:
    return bool(keys[item] > keys[other])


@settings(deadline=None)
@given(NUMBERS)
def test_items_leave_a_heap_in_its_order(numbers: list[int]) -> None:
    keys = numpy.array(numbers, numpy.int64)
    heap = numpy.empty(len(keys), numpy.int64)
    for item in range(len(keys)):
        sift_up(heap, item, item, is_larger, keys)
    found = []
    for size in range(len(keys) - 1, -1, -1):
        found.append(int(keys[heap[0]]))
        sift_down(heap, size, heap[size], is_larger, keys)
    assert found == sorted(numbers, reverse=True)
