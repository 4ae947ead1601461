"""What general-purpose compressors make of documents: the figures that a language model has to
beat.
"""

import lzma
import zlib

GZIP_HEADER_AND_TRAILER = 18  # bytes; RFC 1952, without a file name
XZ_SMALLEST_DICTIONARY = 4096  # bytes; lzma(7)


def gzip_bits_per_byte(documents: list[bytes]) -> float:
    """Returns the bits per byte of `gzip -9`, each document compressed alone."""
    return 8 * sum(map(gzip_size, documents)) / sum(map(len, documents))


def xz_bits_per_byte(documents: list[bytes]) -> float:
    """Returns the bits per byte of `xz -9e`, each document compressed alone."""
    return 8 * sum(map(xz_size, documents)) / sum(map(len, documents))


def gzip_size(document: bytes) -> int:
    """Returns the size in bytes of a document as zlib leaves it, within 1 % of `gzip -9n`."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(deflate.compress(document)) + len(deflate.flush()) + GZIP_HEADER_AND_TRAILER


def xz_size(document: bytes) -> int:
    """Returns the size in bytes of a document as `xz -9e` leaves it.

    The dictionary is cut to the document's size: it can't reach further back anyway, and clearing
    the full 64 MiB for every document takes longer than to compress it.
    """
    dictionary = max(XZ_SMALLEST_DICTIONARY, len(document))
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}
    ]
    return len(lzma.compress(document, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters))
