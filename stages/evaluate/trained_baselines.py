"""Baselines that have read the training text, as the model has: compressors and an n-gram.

gzip and xz meet every document with nothing known, and a model that has read 40 MB of such text
beats them easily. These have read it too.

- zstd -19 has the training text as its dictionary, and compresses each document alone.
- PPMd (variant H, of 7-Zip) has compressed the training text, and goes on with the documents one
  after another, so it has read the earlier ones too.
- the n-gram has counted the training text's tokens (`stages.evaluate.ngrams`).

On 44 MB and one core, PPMd takes 11 s and 400 MB of memory, zstd 17 s, the n-gram 4 s.
"""

import logging
from collections.abc import Callable, Sequence

import pyppmd
import zstandard
from tokenizers import Tokenizer

from stages.evaluate.ngrams import Ngrams
from stages.evaluate.training_text import Ids, spread, text_of
from tohum.formats.tokenizer import token_bytes
from tohum.formats.tokens import TokenSplit
from tohum.model.scoring import token_sizes

PPMD_ORDER = 10  # bytes; 6 takes 9 % more bits, 8 takes 4 %
PPMD_MEMORY = 1 << 30  # bytes at most; 44 MB of text fill 400 MB of them
PIECE = 1 << 20  # bytes that PPMd is given at once: it returns what it has compressed
ZSTD_LEVEL = 19
MOST_VALIDATION_BYTES = 16_000_000

log = logging.getLogger(__name__)


def trained_baselines(
    read: Sequence[Ids], ngrams: Ngrams, val: TokenSplit, tokenizer: Tokenizer
) -> dict[str, float]:
    """Returns the bits per byte of each baseline, by its name.

    Args:
        read: the training documents that they read.
        ngrams: of the same documents.
        val: the validation documents; up to MOST_VALIDATION_BYTES of them are compressed.
        tokenizer: of the tokens.
    """
    vocabulary = token_bytes(tokenizer)
    held_out = spread(val, token_sizes(tokenizer), MOST_VALIDATION_BYTES)
    documents = [text_of(ids, vocabulary) for ids in held_out]
    size = sum(map(len, documents))
    if not size:
        return {}
    text = b"".join(text_of(ids, vocabulary) for ids in read)
    measures: dict[str, Callable[[], float]] = {
        f"zstd -{ZSTD_LEVEL}": lambda: 8 * zstd_size(text, documents),
        f"PPMd order {PPMD_ORDER}": lambda: 8 * ppmd_size(text, documents),
        f"{ngrams.order}-gram": lambda: ngrams.bits(held_out),
    }
    figures = {}
    for name, measure in measures.items():
        figures[name] = round(measure() / size, 6)
        log.info("%s after the training text: %.4f bits per byte", name, figures[name])
    return figures


def zstd_size(text: bytes, documents: Sequence[bytes]) -> int:
    """Returns the bytes of documents that `zstd -19` compresses with a text as dictionary, each
    alone.
    """
    # The window covers dictionary and document: with less, the text's beginning is out of reach.
    longest = max(map(len, documents), default=1)
    window = min(max((len(text) + longest).bit_length(), 10), zstandard.WINDOWLOG_MAX)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        ZSTD_LEVEL, window_log=window, dict_size=len(text), source_size=longest
    )
    dictionary = zstandard.ZstdCompressionDict(text, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    compressor = zstandard.ZstdCompressor(compression_params=parameters, dict_data=dictionary)
    return sum(len(compressor.compress(document)) for document in documents)


def ppmd_size(text: bytes, documents: Sequence[bytes]) -> int:
    """Returns the bytes that documents add to a text that PPMd has compressed before them."""
    encoder = pyppmd.Ppmd7Encoder(PPMD_ORDER, PPMD_MEMORY)
    for first in range(0, len(text), PIECE):
        encoder.encode(text[first : first + PIECE])
    return sum(len(encoder.encode(document)) for document in documents) + len(encoder.flush())
