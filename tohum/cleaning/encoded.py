"""Finds files that are mostly encoded data: base64, hexadecimal bytes, Unicode escapes.

The patterns are those of The Stack v2 (Lozhkov et al. 2024, arXiv 2402.19173, section 2.1):

    base64   [a-zA-Z0-9+/\\n=]{64,}
    bytes    (?:\\b(?:0x|\\\\x)?[0-9a-fA-F]{2}(?:,|\\b\\s*)){8,}
    escapes  (?:\\\\u[0-9a-fA-F]{4}){8,}

A single pass finds their matches: re reads 20 to 60 MB/s with the second one, which would be most
of the time of all rules. tests/tohum/cleaning/test_encoded.py checks the pass against re.
"""

from typing import Any

import numpy
from numpy.typing import NDArray

from tohum.cleaning.scanning import run
from tohum.kernels.compilation import kernel

RUN = 1024  # bytes; a file with a longer match is data
SHARE = 0.5  # of a file's bytes; with more in matches of one pattern, it is data
HEX_ITEMS = 8
BASE64_BYTES, HEX_BYTES, ESCAPE_BYTES = 64, 3 * HEX_ITEMS - 1, 8 * 6  # of the shortest match

BASE64, HEX, HEX_RUN, ESCAPE_RUN, WORD, SPACE = 1, 2, 4, 8, 16, 32
KINDS = numpy.zeros(256, numpy.uint8)
for _kind, _members in (
    (BASE64, b"+/\n="),
    (HEX | HEX_RUN | ESCAPE_RUN, b"0123456789abcdefABCDEF"),
    (HEX_RUN, b"x\\,"),
    (ESCAPE_RUN, b"\\u"),
    (WORD, b"_"),
    (SPACE | HEX_RUN, b" \t\n\r\f\v"),
    (BASE64 | WORD, bytes(byte for byte in range(128) if chr(byte).isalnum())),
):
    KINDS[list(_members)] |= _kind
BACKSLASH, COMMA, ZERO, X, U = b"\\,0xu"


def is_encoded(data: NDArray[numpy.uint8]) -> bool:
    """Returns whether encoded data of one kind makes up more than SHARE of a file's bytes,
    (bytes,), or a run of more than RUN bytes.
    """
    limit = int(SHARE * len(data))
    return any(holds(data, KINDS, limit) for holds in (_base64, _hex, _escapes))


@kernel
def _base64(data: Any, kinds: Any, limit: int) -> bool:
    total = end = 0
    while end < len(data):
        begin, end = run(data, kinds, BASE64, end, BASE64_BYTES)
        total += end - begin
        if end - begin > RUN or total > limit:
            return True
    return False


@kernel
def _hex(data: Any, kinds: Any, limit: int) -> bool:
    total = index = end = 0
    while end < len(data):
        index, end = run(data, kinds, HEX_RUN, end, HEX_BYTES)
        while index < end:
            begin, items = index, 0
            after = _hex_item(data, kinds, index)
            while after > index:
                index, items = after, items + 1
                after = _hex_item(data, kinds, index)
            if items >= HEX_ITEMS:
                total += index - begin
                if index - begin > RUN or total > limit:
                    return True
            if not items:
                index += 1
    return False


@kernel
def _hex_item(data: Any, kinds: Any, start: int) -> int:
    """Returns where the item that begins at `start` ends, or `start` if none begins there."""
    index, size = start, len(data)
    if index + 1 >= size:
        return start
    word = kinds[data[index]] & WORD
    if word == (kinds[data[index - 1]] & WORD if index else 0):  # not a boundary
        return start
    if data[index + 1] == X and (data[index] == ZERO or (not word and data[index] == BACKSLASH)):
        index += 2
    if index + 1 >= size or not kinds[data[index]] & kinds[data[index + 1]] & HEX:
        return start
    index += 2
    if index < size and data[index] == COMMA:
        return index + 1
    if index < size and kinds[data[index]] & WORD:
        return start
    while index < size and kinds[data[index]] & SPACE:
        index += 1
    return index


@kernel
def _is_escape(data: Any, kinds: Any, index: int) -> bool:
    if index + 6 > len(data) or data[index] != BACKSLASH or data[index + 1] != U:
        return False
    for digit in data[index + 2 : index + 6]:
        if not kinds[digit] & HEX:
            return False
    return True


@kernel
def _escapes(data: Any, kinds: Any, limit: int) -> bool:
    total = index = end = 0
    while end < len(data):
        index, end = run(data, kinds, ESCAPE_RUN, end, ESCAPE_BYTES)
        while index < end:
            begin = index
            while _is_escape(data, kinds, index):
                index += 6
            if index - begin >= ESCAPE_BYTES:
                total += index - begin
                if index - begin > RUN or total > limit:
                    return True
            if index == begin:
                index += 1
    return False
