"""Turns texts into ids, with compiled code for a tokenizer that it knows, else with `tokenizers`.

It knows the tokenizers that this project makes with a known pattern. The ids are the same.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
from tokenizers import Tokenizer as HuggingFaceTokenizer

from tohum.formats.alphabet import byte_characters
from tohum.kernels.arrays import Array
from tohum.kernels.text import text_arrays
from tohum.pretokenization.patterns import KNOWN_PATTERNS

CACHE_ENTRIES = 1 << 18  # per thread: about 12 MB with bytes and ids
SCRATCH = 6  # int64 per byte of the longest pretoken: its symbols, and what merging them needs

EncodeTexts = Callable[[list[str]], list[Array]]


@dataclass
class ByteLevelBPE:
    """What a tokenizer.json says: the pattern's number, the id of each byte, and the merges as rows
    of (left, right), int64, the first of which makes `first_id`.
    """

    pattern: int
    byte_ids: list[int]
    merges: Array
    first_id: int


def make_encoder(
    tokenizer: HuggingFaceTokenizer, dtype: numpy.dtype[Any], workers: int
) -> EncodeTexts:
    """Returns a function from texts to the ids of each, as arrays of `dtype`; it is thread-safe."""
    known = read_byte_level_bpe(json.loads(tokenizer.to_str()))
    if known:
        return CompiledEncoder(known, dtype)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(workers)  # read when the first batch is encoded

    def encode(texts: list[str]) -> list[Array]:
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [numpy.array(encoding.ids, dtype) for encoding in encodings]

    return encode


def read_byte_level_bpe(described: dict[str, Any]) -> ByteLevelBPE | None:
    """Returns the parts of a tokenizer, or None if the compiled encoder does not know its kind."""
    model, steps = described["model"], (described["pre_tokenizer"] or {}).get("pretokenizers", [])
    if described["normalizer"] or model["type"] != "BPE" or len(steps) != 2:
        return None
    split, byte_level = steps
    pattern = KNOWN_PATTERNS.get((split.get("pattern") or {}).get("Regex", ""))
    plain = {
        "dropout": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "ignore_merges": False,
    }
    if (
        pattern is None
        or split["behavior"] != "Isolated"
        or split["invert"]
        or byte_level["type"] != "ByteLevel"
        or byte_level["add_prefix_space"]
        or byte_level["use_regex"]
        or any((model.get(key) or None) != (value or None) for key, value in plain.items())
    ):
        return None
    return _read_merges(model, pattern)


def _read_merges(model: dict[str, Any], pattern: int) -> ByteLevelBPE | None:
    """Reads the model's tables; None if the ids are not in the order of the merges."""
    vocabulary = model["vocab"]
    try:
        byte_ids = [vocabulary[character] for character in byte_characters()]
        rows = [(vocabulary[left], vocabulary[right]) for left, right in model["merges"]]
        made = [vocabulary[left + right] for left, right in model["merges"]]
    except KeyError:
        return None
    first_id = made[0] if made else len(vocabulary)
    if made != list(range(first_id, first_id + len(made))) or max(byte_ids) >= first_id:
        return None
    merges = numpy.array(rows, numpy.int64).reshape(-1, 2)
    return ByteLevelBPE(pattern, byte_ids, merges, first_id)


class CompiledEncoder:
    """Encodes with the compiled scanner and BPE; each thread has its own cache of pretokens."""

    def __init__(self, known: ByteLevelBPE, dtype: numpy.dtype[Any]) -> None:
        from stages.encode.merging import ranks_of
        from stages.encode.texts import encode_text
        from tohum.pretokenization.classes import classes

        self.dtype, self.pattern, self.classes = dtype, known.pattern, classes()
        self.ranks = tuple(ranks_of(known.byte_ids, known.merges, known.first_id))
        self.encode_text = encode_text
        self.of_thread = threading.local()

    def __call__(self, texts: list[str]) -> list[Array]:
        """Returns the ids of each text."""
        return [self.encode(text.encode()) for text in texts]

    def encode(self, text: bytes) -> Array:
        """Returns the ids of one text in UTF-8."""
        scratch, cache = self._of_thread(len(text))
        ids = numpy.empty(len(text) + 1, self.dtype)
        found = self.encode_text(
            *text_arrays(text), self.classes, self.pattern, self.ranks, cache, scratch, ids
        )
        return ids[:found].copy()

    def _of_thread(self, length: int) -> tuple[Array, tuple[Array, ...]]:
        """Returns this thread's scratch, for a text of that many bytes, and its cache."""
        own = self.of_thread
        if not hasattr(own, "cache"):
            from stages.encode.cache import new_cache

            own.cache = tuple(new_cache(CACHE_ENTRIES))
            own.scratch = numpy.empty(0, numpy.int64)
        if len(own.scratch) < SCRATCH * length:
            own.scratch = numpy.empty(SCRATCH * max(2 * length, 1024), numpy.int64)
        return own.scratch, own.cache
