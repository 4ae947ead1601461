"""Encodes the corpus in order, holds out validation documents by hash, and checks the round trip.

The work directory holds `<shard>/` with the shard's token files and their mark `facts.json`; it
appears whole. A stage that was killed resumes after the shards already encoded; finally all
shards are joined in order.
"""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy
import orjson

from stages.encode.balance import remarks
from stages.encode.config import Encode
from stages.encode.encoder import EncodeTexts, make_encoder
from stages.encode.languages import language_of
from stages.encode.round_trip import ByteTokenizer, RoundTrips
from stages.encode.tallies import Tallies
from tohum.cluster import Advance, StageTasks, Task, Work, run
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.files import atomic_folder, file_sha256, fresh, publish, write_json
from tohum.foresight import folder_bytes, foretell, require_disk
from tohum.formats.records import ListedShard, listed_shards, marked_texts, read_records
from tohum.formats.tokenizer import load_tokenizer
from tohum.formats.tokens import ORIGINS, SPLITS, VALIDATION_DOCUMENTS, TokenWriter, token_dtype
from tohum.marks import read_mark, write_mark
from tohum.progress import progress_bar
from tohum.workdir import open_workdir, work_key

BATCH_DOCUMENTS = 256
MOST_BYTES_PER_TOKEN = 8  # more than any tokenizer reaches on text, compressed shards apart
FACTS = "facts.json"
INLINE_BYTES = 50_000_000  # of shards: fewer are encoded before worker processes have started
WORKER_BYTES = 768_000_000  # of memory: the tables, and a batch of the longest documents

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardSetup:
    """Where a process finds what encoding any shard needs, and in how many threads it encodes."""

    tokenizer_folder: Path
    validation_share: float
    work: Path
    threads: int


@dataclass
class ShardEncoder:
    """What encoding any shard needs."""

    tokenizer: ByteTokenizer
    encode: EncodeTexts
    dtype: numpy.dtype[Any]
    validation_share: float
    work: Path


def make_shard_encoder(setup: ShardSetup) -> Work:
    """Returns what encodes a shard."""
    tokenizer = load_tokenizer(setup.tokenizer_folder)
    dtype = token_dtype(tokenizer.get_vocab_size())
    encode = make_encoder(tokenizer, dtype, setup.threads)
    byte_tokenizer = ByteTokenizer(tokenizer, encode)
    share = setup.validation_share
    return partial(encode_shard, ShardEncoder(byte_tokenizer, encode, dtype, share, setup.work))


def encode_corpus(
    config: Encode, runtime: Runtime, jsonl: Path, tokenizer_folder: Path, out: Path, metrics: Path
) -> None:
    """Writes the token files of all documents in `jsonl` to `out`, and the counts to `metrics`.

    Raises:
        UserError: there are not two different documents, one for each split, or a validation
            document does not survive the round trip.
    """
    listed, tokenizer = listed_shards(jsonl), load_tokenizer(tokenizer_folder)
    dtype = token_dtype(tokenizer.get_vocab_size())
    inputs = [jsonl / "manifest.json", tokenizer_folder / "tokenizer.json"]
    size = sum(shard.path.stat().st_size for shard in listed)
    foretell("encode", size)
    with open_workdir("encode", work_key("encode", [config], inputs)) as work:
        least = 2 * dtype.itemsize * size // MOST_BYTES_PER_TOKEN  # twice when shards are joined
        require_disk("encode", least - folder_bytes(work), work, "the tokens")
        share = fitting_share(_ids(listed), config.validation_share)
        few = len(listed) if size < INLINE_BYTES else 1
        processes = min(runtime.workers, len(listed)) if len(listed) > few else 1
        threads = 1 if runtime.cluster else runtime.workers // processes
        setup = ShardSetup(tokenizer_folder, share, work, threads)
        job = StageTasks("encode", work, make_shard_encoder, setup, WORKER_BYTES, few=few)
        tasks = (Task(shard.path.name, shard) for shard in listed)
        with progress_bar("encode", "B", runtime.progress, unit_scale=True) as bar:
            facts = list(run(job, tasks, runtime, bar))
        finished = fresh(work / "tokens")
        writers = {split: TokenWriter(finished, split, dtype) for split in SPLITS}
        parts = [work / shard.path.name for shard in listed]
        for part, of_shard in zip(parts, facts, strict=True):
            for split, writer in writers.items():
                writer.append(part, split, of_shard["bytes"][split])
        for writer in writers.values():
            writer.close()
        _join(
            [part / VALIDATION_DOCUMENTS for part in parts],
            finished / VALIDATION_DOCUMENTS,
        )
        shutil.copyfile(jsonl / ORIGINS, finished / ORIGINS)
        write_json(finished / "meta.json", _meta(writers, dtype.str, inputs, finished))
        publish(finished, out)
        tallies = Tallies.sum(Tallies(of_shard["tallies"]) for of_shard in facts)
        trips = RoundTrips()
        for of_shard in facts:
            trips.add(RoundTrips(**of_shard["round_trips"]))
        counts = {**_counts(writers), **tallies.metrics(), "round_trip": trips.metrics()}
        write_json(metrics, counts)
    for split, writer in writers.items():
        log.info(
            "%s: %d documents, %.1f MB, %d tokens",
            split,
            writer.documents,
            writer.bytes / 1e6,
            writer.tokens,
        )
    for remark in remarks(writers["val"].documents, config.validation_share, tallies):
        log.warning("%s", remark)


def encode_shard(encoder: ShardEncoder, shard: ListedShard, advance: Advance) -> dict[str, Any]:
    """Writes the token files of one shard; returns its bytes of text by split and its tallies."""
    part = encoder.work / shard.path.name
    done = read_mark(part / FACTS)
    if done is not None:
        advance(sum(done["bytes"].values()))
        return done
    shard.check()
    with atomic_folder(part) as folder:
        writers = {split: TokenWriter(folder, split, encoder.dtype) for split in SPLITS}
        tallies, trips = Tallies({}), RoundTrips()
        records = (
            record for record in read_records(shard.path) if not _is_held_out_copy(encoder, record)
        )
        with (folder / VALIDATION_DOCUMENTS).open("wb") as held_out:
            while batch := list(islice(records, BATCH_DOCUMENTS)):
                advance(_encode_batch(encoder, batch, writers, tallies, trips))
                held_out.writelines(
                    _described(record)
                    for record in batch
                    if is_validation(record["id"], encoder.validation_share)
                )
        for writer in writers.values():
            writer.close()
        sizes = {split: writer.bytes for split, writer in writers.items()}
        facts = {"bytes": sizes, "tallies": tallies.values, "round_trips": asdict(trips)}
        write_mark(folder / FACTS, sorted(folder.iterdir()), facts, sync=False)
    return facts


def _is_held_out_copy(encoder: ShardEncoder, record: dict[str, Any]) -> bool:
    """Whether this is a held-out document repeated by a weight: it is only measured once."""
    return "copy" in record and is_validation(record["id"], encoder.validation_share)


def _described(record: dict[str, Any]) -> bytes:
    provenance = {key: record.get(key) for key in ("id", "source", "path")}
    line = {**provenance, "language": language_of(record)}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _join(parts: list[Path], whole: Path) -> None:
    with whole.open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())


def _encode_batch(
    encoder: ShardEncoder,
    records: list[dict[str, Any]],
    writers: dict[str, TokenWriter],
    tallies: Tallies,
    trips: RoundTrips,
) -> int:
    """Writes the token ids of some documents; returns the bytes of their texts."""
    total = 0
    documents = [marked_texts(record) for record in records]
    encoded = iter(encoder.encode([part.text for parts in documents for part in parts]))
    for record, parts in zip(records, documents, strict=True):
        split = "val" if is_validation(record["id"], encoder.validation_share) else "train"
        pieces: list[numpy.ndarray[Any, Any]] = []
        size = tokens = 0
        for part in parts:
            ids = next(encoded)
            if split == "val":
                trip = encoder.tokenizer.there_and_back(part.text, ids, record["id"])
                trips.add(trip)
                if not trip.texts_back:
                    raise UserError(_not_given_back(record))
            pieces += [
                numpy.array(part.before, encoder.dtype),
                ids,
                numpy.array(part.after, encoder.dtype),
            ]
            size += len(part.text.encode())
            tokens += len(ids)
        writers[split].write(numpy.concatenate(pieces), size)
        tallies.add(record, split, size, tokens)
        total += size
    return total


def is_validation(id: str, share: float) -> bool:
    """Whether the document with this id is held out: decided by a hash of the id, so its place in
    the corpus does not matter.
    """
    return _place(id) < share * 2**64


def _place(id: str) -> int:
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big")


def fitting_share(ids: Iterable[str], share: float) -> float:
    """Returns `share`, or the nearest at which neither split is empty: in a small corpus, none of
    the documents may be below the share. Reads no more ids than it takes to find one of each split.

    Raises:
        UserError: there are not two different ids.
    """
    lowest, highest = 1.0, 0.0
    for id in ids:
        place = _place(id) / 2**64
        lowest, highest = min(lowest, place), max(highest, place)
        if lowest < share < highest:
            return share
    if lowest >= highest:
        raise UserError(
            "the corpus is a single document, expected at least two, since one is held out for "
            "validation: add documents, or cut it in two."
        )
    fitting = min(max(share, math.nextafter(lowest, 1)), math.nextafter(highest, 0))
    log.info("one document is kept for the split that validation_share = %s leaves empty", share)
    return fitting


def _ids(listed: list[ListedShard]) -> Iterator[str]:
    for shard in listed:
        shard.check()
        yield from (record["id"] for record in read_records(shard.path))


def _not_given_back(record: dict[str, Any]) -> str:
    return (
        f"the tokenizer does not give back {record['repo']}/{record['path']} unchanged. A "
        "byte-level tokenizer loses nothing: run `dvc repro --force --single-item tokenizer`, "
        "then `dvc repro`."
    )


def _meta(
    writers: dict[str, TokenWriter], dtype: str, inputs: list[Path], folder: Path
) -> dict[str, Any]:
    manifest, tokenizer = inputs
    corpus = json.loads(manifest.read_text(encoding="utf-8"))
    return {
        "dtype": dtype,
        "jsonl_manifest_sha256": file_sha256(manifest),
        "tokenizer_sha256": file_sha256(tokenizer),
        **{
            split: {
                **_counts(writers)[split],
                "sha256": file_sha256(folder / f"{split}.bin"),
                "offsets_sha256": file_sha256(folder / f"{split}.offsets.bin"),
            }
            for split in writers
        },
        "provenance": {key: corpus[key] for key in ("raw_manifest_sha256", "sources", "licenses")},
    }


def _counts(writers: dict[str, TokenWriter]) -> dict[str, dict[str, int]]:
    return {
        split: {"documents": writer.documents, "tokens": writer.tokens, "bytes": writer.bytes}
        for split, writer in writers.items()
    }
