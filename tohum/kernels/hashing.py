"""Hashes of numbers."""

import numpy

from tohum.kernels.compilation import Integer, kernel

MIX = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio (Knuth, TAOCP 6.4)


@kernel
def hash_pair(key: Integer) -> Integer:
    """Returns a hash of a pair's key that is good in its low bits."""
    hashed = numpy.uint64(key) * numpy.uint64(MIX)
    hashed = (hashed ^ hashed >> numpy.uint64(32)) * numpy.uint64(MIX)
    return hashed ^ hashed >> numpy.uint64(32)
