"""A text as kernels read it: byte by byte, or 8 bytes at once."""

from typing import NamedTuple

import numpy

from tohum.kernels.arrays import Array

PADDING = bytes(8)  # after a text, so that 8 bytes can be read at each of its bytes


class Text(NamedTuple):
    """`bytes`, uint8 (n,), and `eights`, uint64: the 8 bytes that start at each, little-endian."""

    bytes: Array
    eights: Array


def text_arrays(encoded: bytes) -> tuple[Array, Array]:
    """Returns the arrays of a Text from its UTF-8."""
    padded = numpy.frombuffer(encoded + PADDING, numpy.uint8)
    return padded[: len(encoded)], eights_of(padded)


def eights_of(padded: Array) -> Array:
    """Returns a view of the 8 bytes that start at each byte: uint64 (bytes - 7,)."""
    return numpy.ndarray((len(padded) - 7,), numpy.dtype("<u8"), padded.data, strides=(1,))
