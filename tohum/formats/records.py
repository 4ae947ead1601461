"""data/jsonl: the records of all sources, one JSON object per line, in shards.

part-00000.jsonl   (or .jsonl.zst, or one corpus.jsonl) UTF-8. A text record has content, a
                   conversation has messages ([{role, content}]); both have id, source, path, repo,
                   license
dropped.jsonl      every file that made no record, with the reason
manifest.json      hash, size and documents of every shard, and the hash of the raw manifest
"""

import hashlib
import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from tohum.errors import UserError
from tohum.files import check_files, partial_path, read_json
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, ROLE_IDS

ZSTD_LEVEL = 3
BUFFER_BYTES = 1 << 20
MOST_WAITING = 8  # buffers, of a shard that is hashed and written
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

    A context manager; `shards` is complete when its block has ended without an error. A shard
    appears complete, or not at all.

    Args:
        first: the number of the first shard, where others write those before.
    """

    def __init__(
        self, folder: Path, shard_bytes: int | None, compression: str, first: int = 0
    ) -> None:
        self.folder = folder
        self.shard_bytes = shard_bytes
        self.suffix = SUFFIXES[compression]
        self.shards: list[Shard] = []
        self._number = first
        self._written = self._documents = 0
        self._open_file = ExitStack()
        self._thread = ThreadPoolExecutor(1, "shards")
        self._file: _HashedFile | None = None
        self._sink: Any = None  # it, or what compresses into it

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        with self._thread, self._open_file:
            if error == (None, None, None):
                self._close()
            else:
                self._open_file.__exit__(*error)

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
        if self._sink is None:
            self._open()
        self._sink.write(line)
        self._written += len(line)
        self._documents += 1

    def _name(self) -> str:
        stem = "corpus" if self.shard_bytes is None else f"part-{self._number:05d}"
        return f"{stem}{self.suffix}"

    def _open(self) -> None:
        file = self._open_file.enter_context(complete_file(self.folder / self._name()))
        self._sink = self._file = _HashedFile(file, self._thread)
        if self.suffix.endswith(".zst"):
            compressor: Any = zstandard.ZstdCompressor(ZSTD_LEVEL)
            self._sink = compressor.stream_writer(self._file, closefd=False)

    def _close(self) -> None:
        """Ends the current shard, if there is one."""
        if self._file is None:
            return
        if self._sink is not self._file:
            self._sink.close()
        sha256 = self._file.finish()
        self._open_file.close()
        self.shards.append(Shard(self._name(), sha256, self._file.size, self._documents))
        self._number += 1
        self._file = self._sink = None
        self._written = self._documents = 0


@contextmanager
def complete_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file that appears at `path` complete, or not at all. It isn't synced to disk: who
    keeps it does that while the next one is written.
    """
    partial = partial_path(path)
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _HashedFile:
    """A file that a thread hashes and writes, a block at a time, while the next ones are made."""

    def __init__(self, file: IO[bytes], thread: ThreadPoolExecutor) -> None:
        self.size = 0
        self._file, self._thread = file, thread
        self._hash = hashlib.sha256()
        self._block = bytearray()
        self._waiting: deque[Future[None]] = deque()

    def write(self, content: bytes) -> int:
        self._block += content
        if len(self._block) >= BUFFER_BYTES:
            self._hand_over()
        return len(content)

    def finish(self) -> str:
        """Waits until everything is written; returns its SHA-256 in hex."""
        self._hand_over()
        while self._waiting:
            self._waiting.popleft().result()
        return self._hash.hexdigest()

    def _hand_over(self) -> None:
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft().result()
        self.size += len(self._block)
        self._waiting.append(self._thread.submit(self._put, self._block))
        self._block = bytearray()

    def _put(self, block: bytearray) -> None:
        self._hash.update(block)
        self._file.write(block)


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
