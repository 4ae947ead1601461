"""data/jsonl: the records of all sources, one JSON object per line, in shards.

part-00000.jsonl   (or .jsonl.zst, or one corpus.jsonl) UTF-8. A text record has content, a
                   conversation has messages ([{role, content}]); both have id, source, path, repo,
                   license
dropped.jsonl      every file that made no record, with the reason
manifest.json      hash, size and documents of every shard, and the hash of the raw manifest
"""

import io
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from tohum.errors import UserError
from tohum.files import check_files, file_sha256, read_json
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


class ShardWriter:
    """Writes records to shards of about `shard_bytes` bytes of JSON; None writes a single file.

    A context manager; `shards` is complete when its block has ended without an error. A thread
    waits for the disk and hashes each shard while the next is written.
    """

    def __init__(self, folder: Path, shard_bytes: int | None, compression: str) -> None:
        self.folder = folder
        self.shard_bytes = shard_bytes
        self.suffix = SUFFIXES[compression]
        self.shards: list[Shard] = []
        self._file: IO[bytes] | None = None
        self._path = folder
        self._begun = self._written = self._documents = 0
        self._thread = ThreadPoolExecutor(1, "shards")
        self._last: Future[Shard] | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        with self._thread:
            self._close()
            self._finish()

    def write(self, record: dict[str, Any]) -> None:
        """Appends one record."""
        self.write_line(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def write_line(self, line: bytes) -> None:
        """Appends one record that is already JSON, with its line feed."""
        if (
            self.shard_bytes is not None
            and self._written
            and self._written + len(line) > self.shard_bytes
        ):
            self._close()
        if self._file is None:
            self._open()
        assert self._file is not None
        self._file.write(line)
        self._written += len(line)
        self._documents += 1

    def _open(self) -> None:
        stem = "corpus" if self.shard_bytes is None else f"part-{self._begun:05d}"
        self._begun += 1
        self._path = self.folder / f"{stem}{self.suffix}"
        self._file = self._path.open("wb", buffering=BUFFER_BYTES)
        if self.suffix.endswith(".zst"):
            self._file = zstandard.ZstdCompressor(ZSTD_LEVEL).stream_writer(self._file)

    def _close(self) -> None:
        """Ends the current shard, if there is one, and has it completed."""
        if self._file is None:
            return
        self._file.close()
        self._finish()
        self._last = self._thread.submit(_complete, self._path, self._documents)
        self._file, self._written, self._documents = None, 0, 0

    def _finish(self) -> None:
        """Waits for the shard before the current one, so that no more than one is on its way."""
        if self._last is not None:
            self.shards.append(self._last.result())
            self._last = None


def _complete(path: Path, documents: int) -> Shard:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return Shard(path.name, file_sha256(path), path.stat().st_size, documents)


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


def checked_shards(folder: Path) -> list[Path]:
    """Returns the shards that the manifest of data/jsonl lists, in order, after checking each, at
    0.7 s a gigabyte.

    Raises:
        UserError: one is missing or damaged, or there is one that the manifest doesn't list.
    """
    with read_json(folder / "manifest.json", "jsonl") as manifest:
        listed = {folder / shard["name"]: shard["sha256"] for shard in manifest["shards"]}
    extra = set(shard_paths(folder)) - listed.keys()
    if extra:
        raise UserError(
            f"{', '.join(sorted(map(str, extra)))}: not in manifest.json, so the stage 'jsonl' did "
            "not write it. Move it away, and run `dvc repro` again."
        )
    check_files(listed, "jsonl")
    return list(listed)


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
