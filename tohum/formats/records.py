"""data/jsonl: the records of all sources, one JSON object per line, in shards.

part-00000.jsonl   (or .jsonl.zst, or one corpus.jsonl) UTF-8. A text record has content, a
                   conversation has messages ([{role, content}]); both have id, source, path, repo,
                   license
dropped.jsonl      every file that made no record, with the reason
manifest.json      hash, size and documents of every shard, and the hash of the raw manifest
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import zstandard

from tohum.errors import UserError
from tohum.files import check_files, read_json
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, ROLE_IDS

ZSTD_LEVEL = 3
BUFFER_BYTES = 1 << 20
SUFFIXES = {"none": ".jsonl", "zstd": ".jsonl.zst"}


@dataclass
class Shard:
    """A finished shard: its name, SHA-256 in hex, size in bytes on disk, and records."""

    name: str
    sha256: str
    bytes: int
    documents: int


def shard_paths(folder: Path) -> list[Path]:
    """Returns the shards of data/jsonl in order.

    Raises:
        UserError: there are none.
    """
    paths = sorted(
        path for pattern in ("part-*.jsonl*", "corpus.jsonl*") for path in folder.glob(pattern)
    )
    if not paths:
        raise UserError(f"{folder} has no shards. Run `dvc repro jsonl`.")
    return paths


class ListedShard(NamedTuple):
    """A shard of the manifest: its file, and the SHA-256 that it had when it was written."""

    path: Path
    sha256: str

    def check(self) -> None:
        """Checks the file, at 0.7 s a gigabyte.

        Raises:
            UserError: it is missing or damaged.
        """
        check_files({self.path: self.sha256}, "jsonl")


def listed_shards(folder: Path) -> list[ListedShard]:
    """Returns the shards that the manifest of data/jsonl lists, in order. Whoever reads one checks
    it first.

    Raises:
        UserError: one is missing, or there is one that the manifest doesn't list.
    """
    with read_json(folder / "manifest.json", "jsonl") as manifest:
        listed = [
            ListedShard(folder / shard["name"], shard["sha256"]) for shard in manifest["shards"]
        ]
    there = set(shard_paths(folder))
    extra = there - {shard.path for shard in listed}
    if extra:
        raise UserError(
            f"{', '.join(sorted(map(str, extra)))}: not in manifest.json, so the stage 'jsonl' did "
            "not write it. Move it away, and run `dvc repro` again."
        )
    check_files(dict(shard for shard in listed if shard.path not in there), "jsonl")
    return listed


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the records of one shard.

    Raises:
        UserError: a line is not a JSON object with a string `content`; it names the file and the
            line.
    """
    with path.open("rb") as file:
        stream: Any = (
            zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        )
        for number, line in enumerate(
            io.BufferedReader(stream, BUFFER_BYTES) if stream is not file else file, 1
        ):
            try:
                record = orjson.loads(line)
            except ValueError as error:
                raise UserError(
                    f"{path}, line {number}: not JSON ({error}). Run `dvc repro jsonl`."
                ) from None
            if not _is_record(record):
                raise UserError(
                    f"{path}, line {number}: expected an object with a string 'content' or with "
                    f"'messages', each of a role ({', '.join(ROLE_IDS)}) and a string 'content'. "
                    "Run `dvc repro jsonl`."
                )
            yield record


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("content"), str):
        return True
    messages = record.get("messages")
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(
            isinstance(message, dict)
            and message.get("role") in ROLE_IDS
            and isinstance(message.get("content"), str)
            for message in messages
        )
    )


@dataclass
class MarkedText:
    """A text of a document, and the ids of the special tokens before and after it."""

    before: tuple[int, ...]
    text: str
    after: tuple[int, ...] = ()


def marked_texts(record: dict[str, Any]) -> list[MarkedText]:
    """Returns a record as a document: <|endoftext|> and its text, or each message between its
    role's token and <|end|>.
    """
    if "messages" not in record:
        return [MarkedText((END_OF_TEXT_ID,), record["content"])]
    return [
        MarkedText(
            ((END_OF_TEXT_ID,) if not number else ()) + (ROLE_IDS[message["role"]],),
            message["content"],
            (END_ID,),
        )
        for number, message in enumerate(record["messages"])
    ]
