"""Products, norms and softmaxes of vectors in float32, on arrays that the caller has allocated.

LLVM vectorises a sum only if it may reorder it, so these kernels allow that, and nothing else of
what `fastmath` offers: an infinity stays one. Four sums at a time keep the processor's units busy
that a single sum, in which each addition waits for the one before, would leave idle.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from tohum.kernels.arrays import Array
from tohum.kernels.compilation import UNCOUNTED

Function = TypeVar("Function", bound=Callable[..., Any])

REORDERED = {"reassoc", "contract", "nsz"}


def summing(function: Function) -> Function:
    """Compiles a kernel that may reorder its sums and creates no array."""
    return cast(Function, numba.njit(**UNCOUNTED, fastmath=REORDERED)(function))


@summing
def multiply(weight: Array, vector: Array, out: Array) -> None:
    """Writes the product of weight (outer, inner) and vector (inner,) into out (outer,)."""
    row, outer = 0, len(out)
    while row + 4 <= outer:
        one, two, three, four = weight[row], weight[row + 1], weight[row + 2], weight[row + 3]
        a = b = c = d = numba.float32(0)
        for k in range(len(vector)):
            value = vector[k]
            a += value * one[k]
            b += value * two[k]
            c += value * three[k]
            d += value * four[k]
        out[row], out[row + 1], out[row + 2], out[row + 3] = a, b, c, d
        row += 4
    while row < outer:
        last, total = weight[row], numba.float32(0)
        for k in range(len(vector)):
            total += vector[k] * last[k]
        out[row] = total
        row += 1


@summing
def mix(shares: Array, values: Array, out: Array) -> None:
    """Writes the sum of the first values (length, size), each times its share (length,), into out
    (size,).
    """
    out[:] = 0
    place, length = 0, len(shares)
    while place + 4 <= length:
        one, two = values[place], values[place + 1]
        three, four = values[place + 2], values[place + 3]
        a, b, c, d = shares[place], shares[place + 1], shares[place + 2], shares[place + 3]
        for k in range(len(out)):
            out[k] += a * one[k] + b * two[k] + c * three[k] + d * four[k]
        place += 4
    while place < length:
        last, share = values[place], shares[place]
        for k in range(len(out)):
            out[k] += share * last[k]
        place += 1


@summing
def normalise(vector: Array, gain: Array, epsilon: float, out: Array) -> None:
    """Writes the RMS norm of a vector into out, which may be the vector itself."""
    total = numba.float32(0)
    for k in range(len(vector)):
        total += vector[k] * vector[k]
    scale = numba.float32(1 / math.sqrt(total / len(vector) + epsilon))
    for k in range(len(vector)):
        out[k] = vector[k] * scale * gain[k]


@summing
def soften(scores: Array, scale: float) -> None:
    """Replaces scores by the softmax of scale times them."""
    highest = scores[0]
    for k in range(1, len(scores)):
        highest = max(highest, scores[k])
    total = numba.float32(0)
    for k in range(len(scores)):
        scores[k] = math.exp((scores[k] - highest) * numba.float32(scale))
        total += scores[k]
    for k in range(len(scores)):
        scores[k] /= total
