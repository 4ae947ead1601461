"""A text as the 8 bytes that start at each of its own."""

import numpy

from tohum.kernels.arrays import Array

PADDING = bytes(8)  # after a text, so that 8 bytes can be read at each of its own


def words_of(padded: Array) -> Array:
    """Returns a view of bytes as the 8 bytes that start at each: uint64 (bytes - 7,)."""
    return numpy.ndarray((len(padded) - 7,), numpy.dtype("<u8"), padded.data, strides=(1,))
