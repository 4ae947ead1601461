"""A binary heap of int64, in any order (Knuth, TAOCP 5.2.3).

`comes_before(item, other, context)` is a kernel that says whether an item is closer to the top than
another. It is compiled into each caller of the two functions here.
"""

from collections.abc import Callable
from typing import Any

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import Integer, inlined

ComesBefore = Callable[[Integer, Integer, Any], bool]


@inlined
def sift_up(
    heap: Array, at: Integer, item: Integer, comes_before: ComesBefore, context: Any
) -> None:
    """Puts an item in the free place `at` or above it."""
    while at:
        above = (at - 1) // 2
        if not comes_before(item, heap[above], context):
            break
        heap[at] = heap[above]
        at = above
    heap[at] = item


@inlined
def sift_down(
    heap: Array, size: Integer, item: Integer, comes_before: ComesBefore, context: Any
) -> None:
    """Puts an item in the free place at the top of a heap of `size` items, or below it."""
    at = 0
    while 2 * at + 1 < size:
        below = 2 * at + 1
        if below + 1 < size and comes_before(heap[below + 1], heap[below], context):
            below += 1
        if not comes_before(heap[below], item, context):
            break
        heap[at] = heap[below]
        at = below
    heap[at] = item
