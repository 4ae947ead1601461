"""The contenders in the tokenizer benchmark: those that train, and those that encode.

One that trains reads a data/jsonl and returns its merges, or None if it orders equal counts
differently. One that encodes is made for a tokenizer and turns texts into (ids, lengths).
"""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import yaml

from stages.pretokens.config import Pretokenizer
from tohum.config.runtime import load_runtime
from tohum.formats.records import marked_texts, read_records, shard_paths
from tohum.formats.special_tokens import SPECIAL_TOKENS

WORKERS = 2
MIN_FREQUENCY = 2
PROJECT = Path(__file__).parent.parent

Pairs = list[tuple[str, str]]
Encoded = tuple["numpy.ndarray[Any, Any]", "numpy.ndarray[Any, Any]"]
EncodeAll = Callable[[list[str]], Encoded]


def pattern() -> str:
    """Returns the default preset's pattern."""
    path = PROJECT / "conf/pretokenizer/gpt4.yaml"
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["pattern"])


def texts_of(jsonl: Path) -> Iterator[str]:
    """Yields the texts of all records."""
    records = chain.from_iterable(map(read_records, shard_paths(jsonl)))
    return (part.text for record in records for part in marked_texts(record))


def count_by_this_project(jsonl: Path, out: Path, max_memory: str = "2GB") -> None:
    """Runs the pretokens stage, in the current folder."""
    from dataclasses import replace

    from stages.pretokens.counting import count_corpus

    config = Pretokenizer(
        pattern=pattern(), max_memory=max_memory, max_pretoken_bytes=65_536, sample_share=1.0
    )
    runtime = replace(load_runtime(PROJECT / "conf/runtime.yaml"), workers=WORKERS, progress=False)
    count_corpus(config, runtime, jsonl, out)


def merge_by_this_project(pretokens: Path, vocab_size: int) -> Pairs:
    """Trains like the stage tokenizer."""
    from stages.tokenizer.merge_list import merge_list
    from tohum.formats.alphabet import alphabet_order, byte_characters

    characters = byte_characters()
    tokens = [*SPECIAL_TOKENS, *(characters[byte] for byte in alphabet_order())]
    pairs = []
    for merge in merge_list(pretokens, vocab_size, MIN_FREQUENCY).merges:
        pairs.append((tokens[merge.left], tokens[merge.right]))
        tokens.append("".join(pairs[-1]))
    return pairs


def train_rustbpe(jsonl: Path, vocab_size: int) -> None:
    """Trains with rustbpe, whose vocabulary has no special tokens."""
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    size = vocab_size - len(SPECIAL_TOKENS)
    tokenizer.train_from_iterator(texts_of(jsonl), size, pattern=pattern())
    assert len(tokenizer.get_mergeable_ranks()) == size


def train_tokenizers(jsonl: Path, vocab_size: int) -> Pairs:
    """Trains with the BpeTrainer of `tokenizers`."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern()), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts_of(jsonl), trainer)
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def encode_this_project(folder: Path) -> EncodeAll:
    """Encodes with the encode stage's encoder, in two threads."""
    from stages.encode.encoder import make_encoder
    from tohum.formats.tokenizer import load_tokenizer

    encode = make_encoder(load_tokenizer(folder), numpy.dtype("<u2"), WORKERS)
    pool = ThreadPoolExecutor(WORKERS)

    def encode_all(texts: list[str]) -> Encoded:
        parts = [texts[first : first + 256] for first in range(0, len(texts), 256)]
        return _joined(list(chain.from_iterable(pool.map(encode, parts))))

    return encode_all


def encode_tokenizers(folder: Path) -> EncodeAll:
    """Encodes with encode_batch_fast of `tokenizers`."""
    from tohum.formats.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(folder)

    def encode_all(texts: list[str]) -> Encoded:
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return _joined([numpy.array(encoding.ids, numpy.uint16) for encoding in encodings])

    return encode_all


def encode_tiktoken(folder: Path) -> EncodeAll:
    """Encodes with tiktoken, in two threads."""
    import tiktoken

    lines = (folder / "tokenizer.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in lines}
    special = {token: id for id, token in enumerate(SPECIAL_TOKENS)}
    encoding = tiktoken.Encoding(
        "tohum", pat_str=pattern(), mergeable_ranks=ranks, special_tokens=special
    )

    pool = ThreadPoolExecutor(WORKERS)

    def encode(text: str) -> "numpy.ndarray[Any, Any]":
        return encoding.encode_to_numpy(text, disallowed_special=()).astype(numpy.uint16)

    def encode_all(texts: list[str]) -> Encoded:
        return _joined(list(pool.map(encode, texts)))

    return encode_all


def encode_tokie(folder: Path) -> EncodeAll:
    """Encodes with tokie."""
    import tokie

    tokenizer: Any = tokie.Tokenizer.from_json(str(folder / "tokenizer.json"))

    def encode_all(texts: list[str]) -> Encoded:
        ids, lengths = tokenizer.encode_batch_flat(texts, add_special_tokens=False)
        return ids, lengths

    return encode_all


def _joined(found: list["numpy.ndarray[Any, Any]"]) -> Encoded:
    return numpy.concatenate(found), numpy.array([len(ids) for ids in found])


MODULES = {"rustbpe": "rustbpe", "tiktoken": "tiktoken", "tokie": "tokie"}
TRAIN: dict[str, Callable[[Path, int], Pairs | None]] = {
    "rustbpe": train_rustbpe,
    "tokenizers": train_tokenizers,
}
ENCODE: dict[str, Callable[[Path], EncodeAll]] = {
    "tokenizers encode_batch_fast": encode_tokenizers,
    "tiktoken": encode_tiktoken,
    "tokie": encode_tokie,
    "this project": encode_this_project,
}
