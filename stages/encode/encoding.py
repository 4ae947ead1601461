"""Encodes in input order, holds validation documents out by the hash of their id, and proves the
round trip.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as HuggingFaceTokenizer
from tqdm import tqdm

from stages.config import Encode, Runtime
from stages.errors import UserError
from stages.records import read_records, shard_paths
from stages.special_tokens import END_OF_TEXT_ID
from stages.tokenizer.training import load_tokenizer
from stages.tokens import SPLITS, TokenWriter, token_dtype
from stages.workdir import file_sha256, fresh, open_workdir, publish, work_key, write_json

BATCH_DOCUMENTS = 256

log = logging.getLogger(__name__)


def encode_corpus(
    config: Encode, runtime: Runtime, jsonl: Path, tokenizer_folder: Path, out: Path, metrics: Path
) -> None:
    """Writes the token files of all documents in `jsonl` to `out`, and the counts to `metrics`.

    Raises:
        UserError: a split has no document, or a validation document is not the same after a round
            trip.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(runtime.workers)  # read when the first batch is encoded
    tokenizer = load_tokenizer(tokenizer_folder)
    inputs = [jsonl / "manifest.json", tokenizer_folder / "tokenizer.json"]
    with open_workdir("encode", work_key("encode", [config], inputs)) as work:
        finished = fresh(work / "tokens")
        dtype = token_dtype(tokenizer.get_vocab_size())
        writers = {split: TokenWriter(finished, split, dtype) for split in SPLITS}
        _encode(tokenizer, jsonl, config.validation_share, writers, runtime.progress)
        for split, writer in writers.items():
            writer.close()
            if not writer.documents:
                raise UserError(_empty_split(split, writers, config))
        meta = _meta(writers, dtype.str, inputs, finished)
        write_json(finished / "meta.json", meta)
        publish(finished, out)
        write_json(metrics, _metrics(writers))
    for split, writer in writers.items():
        log.info(
            "%s: %d documents, %.1f MB, %d tokens",
            split,
            writer.documents,
            writer.bytes / 1e6,
            writer.tokens,
        )


def _encode(
    tokenizer: HuggingFaceTokenizer,
    jsonl: Path,
    share: float,
    writers: dict[str, TokenWriter],
    progress: bool,
) -> None:
    records = chain.from_iterable(read_records(path) for path in shard_paths(jsonl))
    with tqdm(unit="B", unit_scale=True, desc="encode", disable=not progress, mininterval=1) as bar:
        for record, encoding in _encodings(tokenizer, records):
            size = len(record["content"].encode())
            split = "val" if is_validation(record["id"], share) else "train"
            if split == "val":
                _check_round_trip(tokenizer, encoding.ids, record)
            writers[split].write([END_OF_TEXT_ID, *encoding.ids], size)
            bar.update(size)


def _encodings(
    tokenizer: HuggingFaceTokenizer, records: Iterator[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], Encoding]]:
    while batch := list(islice(records, BATCH_DOCUMENTS)):
        texts = [record["content"] for record in batch]
        yield from zip(
            batch, tokenizer.encode_batch_fast(texts, add_special_tokens=False), strict=True
        )


def is_validation(id: str, share: float) -> bool:
    """Whether the document with this id is held out: by a hash of the id, so whatever its place in
    the corpus.
    """
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") < share * 2**64


def _check_round_trip(
    tokenizer: HuggingFaceTokenizer, ids: list[int], record: dict[str, Any]
) -> None:
    if tokenizer.decode(ids, skip_special_tokens=False) != record["content"]:
        raise UserError(
            f"the tokenizer does not give back {record['repo']}/{record['path']} as it was. A "
            "byte-level tokenizer loses nothing: run `dvc repro --force --single-item tokenizer`, "
            "then `dvc repro`."
        )


def _empty_split(split: str, writers: dict[str, TokenWriter], config: Encode) -> str:
    documents = sum(writer.documents for writer in writers.values())
    name, advice = ("validation", "raise") if split == "val" else ("training", "lower")
    return (
        f"of {documents} documents none is for {name} with encode.validation_share = "
        f"{config.validation_share}: {advice} the share, or bring more documents."
    )


def _meta(
    writers: dict[str, TokenWriter], dtype: str, inputs: list[Path], folder: Path
) -> dict[str, Any]:
    manifest, tokenizer = inputs
    return {
        "dtype": dtype,
        "jsonl_manifest_sha256": file_sha256(manifest),
        "tokenizer_sha256": file_sha256(tokenizer),
        **{
            split: {
                "documents": writer.documents,
                "tokens": writer.tokens,
                "bytes": writer.bytes,
                "sha256": file_sha256(folder / f"{split}.bin"),
                "offsets_sha256": file_sha256(folder / f"{split}.offsets.bin"),
            }
            for split, writer in writers.items()
        },
    }


def _metrics(writers: dict[str, TokenWriter]) -> dict[str, Any]:
    train, val = writers["train"], writers["val"]
    tokens = (
        train.tokens + val.tokens - train.documents - val.documents
    )  # without the <|endoftext|> we put in front
    return {
        "train": {"documents": train.documents, "tokens": train.tokens, "bytes": train.bytes},
        "val": {"documents": val.documents, "tokens": val.tokens, "bytes": val.bytes},
        "bytes_per_token": round((train.bytes + val.bytes) / tokens, 6),
    }
