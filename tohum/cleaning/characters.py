"""Counts the characters of a text by kind."""

from typing import Any

import numpy

from tohum.kernels.compilation import kernel


@kernel
def letters_and_digits(data: Any) -> Any:
    """Returns the numbers of ASCII letters and digits in bytes, an array of uint8."""
    letters, digits = numpy.int64(0), numpy.int64(0)
    for byte in data:
        letters += numpy.uint8((byte | 32) - ord("a")) < 26
        digits += numpy.uint8(byte - ord("0")) < 10
    return letters, digits
