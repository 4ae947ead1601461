"""How well compressors do on the validation documents: figures that a language model must beat."""

import lzma
import zlib

from tokenizers import Tokenizer

from tohum.formats.tokens import TokenSplit

GZIP_HEADER_AND_TRAILER = 18  # bytes; RFC 1952, without a file name
XZ_SMALLEST_DICTIONARY = 4096  # bytes; lzma(7)


def baselines(split: TokenSplit, tokenizer: Tokenizer) -> dict[str, float]:
    """Returns the bits per byte of each compressor, by its command line."""
    documents = texts(split, tokenizer)
    return {
        "gzip -9": round(gzip_bits_per_byte(documents), 6),
        "xz -9e": round(xz_bits_per_byte(documents), 6),
    }


def texts(split: TokenSplit, tokenizer: Tokenizer) -> list[bytes]:
    """Returns the text of each document; for a conversation, that of its messages, joined. These
    are the bytes by which the model's bits are divided. The encode stage has checked that the
    tokens give the text back.
    """
    ids = [split.document(number).tolist() for number in range(len(split.offsets) - 1)]
    return [text.encode() for text in tokenizer.decode_batch(ids, skip_special_tokens=True)]


def gzip_bits_per_byte(documents: list[bytes]) -> float:
    """Returns the bits per byte of `gzip -9`, each document compressed alone."""
    return 8 * sum(map(gzip_size, documents)) / sum(map(len, documents))


def xz_bits_per_byte(documents: list[bytes]) -> float:
    """Returns the bits per byte of `xz -9e`, each document compressed alone."""
    return 8 * sum(map(xz_size, documents)) / sum(map(len, documents))


def gzip_size(document: bytes) -> int:
    """Returns the size in bytes of a document compressed by zlib, within 1 % of `gzip -9n`."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(deflate.compress(document)) + len(deflate.flush()) + GZIP_HEADER_AND_TRAILER


def xz_size(document: bytes) -> int:
    """Returns the size in bytes of a document compressed by `xz -9e`.

    The dictionary is limited to the document's size: it can't reach further back anyway, and
    clearing the full 64 MiB for every document takes longer than compressing it.
    """
    dictionary = max(XZ_SMALLEST_DICTIONARY, len(document))
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}
    ]
    return len(lzma.compress(document, lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters))
