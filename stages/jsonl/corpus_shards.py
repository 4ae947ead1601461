"""The shards of the corpus: planned from the sizes of the lines alone, then written by tasks.

A line goes to a shard as it was judged, so a shard is a list of places in the files of judged
documents. Tasks copy them, here or on other nodes, and the driver reads no text.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import IO, NamedTuple

import zstandard

from tohum.cluster import Advance, Work
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.formats.records import SUFFIXES, ZSTD_LEVEL, Shard
from tohum.marks import Hashed, read_mark, write_mark

COPY_BYTES = 1 << 17  # few enough to be hashed while they are in the processor's cache
OPEN_FILES = 16  # at a time in each shard that is written: macOS allows a process 256
WORKER_BYTES = 256_000_000  # of memory, besides a plan
PLAN_SHARE = 0.25  # of a shard's size: 24 bytes for a line of 100
MOST_PLAN_BYTES = 1_000_000_000  # of large shards, whose lines are rarely so short


class Span(NamedTuple):
    """Bytes of a file of judged lines: lines that follow each other, or one that is a later copy.

    `copy` counts from 1; from 2 on, the record says so.
    """

    path: Path
    start: int
    end: int
    copy: int = 1

    @property
    def size(self) -> int:
        """How many bytes they are in a shard."""
        there = self.end - self.start
        return there + len(self.mark) if self.copy > 1 else there

    @property
    def mark(self) -> bytes:
        """What a later copy has before its closing brace."""
        return b',"copy":%d' % self.copy


class ShardPlan:
    """A shard that is to be written: its name, how many documents and bytes of JSON it has, and
    where its lines are, in arrays: a mix of sources has a span for every line.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents = self.bytes = 0
        self._paths: dict[Path, int] = {}
        self._files, self._copies = array("I"), array("I")
        self._starts, self._ends = array("Q"), array("Q")

    def add(self, line: Span, size: int) -> None:
        """Appends a line, of `size` bytes in the shard; to the last span if it follows that."""
        path, start, end, copy = line
        file = self._paths.setdefault(path, len(self._paths))
        follows = self.documents and self._files[-1] == file and self._ends[-1] == start
        if follows and self._copies[-1] == copy == 1:
            self._ends[-1] = end
        else:
            self._files.append(file)
            self._copies.append(copy)
            self._starts.append(start)
            self._ends.append(end)
        self.documents += 1
        self.bytes += size

    def spans(self) -> Iterator[Span]:
        """Yields where the lines are, in order."""
        paths = list(self._paths)
        columns = zip(self._files, self._starts, self._ends, self._copies, strict=True)
        return (Span(paths[file], start, end, copy) for file, start, end, copy in columns)


def memory_for(shard_bytes: int) -> int:
    """Returns the bytes of memory that writing a shard takes, at the most that is likely."""
    return WORKER_BYTES + min(MOST_PLAN_BYTES, int(PLAN_SHARE * shard_bytes))


def planned_shards(
    lines: Iterable[Span], shard_bytes: int, compression: str
) -> Iterator[ShardPlan]:
    """Cuts lines into shards of at most `shard_bytes` bytes of JSON, or of one longer line."""
    plans = (ShardPlan(f"part-{number:05d}{SUFFIXES[compression]}") for number in count())
    plan = next(plans)
    for line in lines:
        size = line.size
        if plan.documents and plan.bytes + size > shard_bytes:
            yield plan
            plan = next(plans)
        plan.add(line, size)
    if plan.documents:
        yield plan


def make_copier(folder: Path) -> Work:
    """Returns what writes a shard to `folder`."""
    return partial(write_shard, folder)


def write_shard(folder: Path, plan: ShardPlan, advance: Advance) -> Shard:
    """Writes a shard, unless that is done."""
    path, mark = folder / plan.name, folder / f"{plan.name}.json"
    done = read_mark(mark)
    if done is None:
        sha256, size = write_lines(path, plan.spans())
        done = asdict(Shard(plan.name, sha256, size, plan.documents))
        write_mark(mark, [Hashed(path, size, sha256)], done)
    advance(plan.bytes)
    return Shard(**done)


def write_whole(
    folder: Path, lines: Iterator[Span], compression: str, advance: Advance
) -> list[Shard]:
    """Writes all lines to a single corpus, if there are any, as they come: memory holds one."""
    documents = 0

    def counted() -> Iterator[Span]:
        nonlocal documents
        for line in lines:
            yield line
            documents += 1
            advance(line.size)

    first = next(lines, None)
    if first is None:
        return []
    lines = chain([first], lines)
    path = folder / f"corpus{SUFFIXES[compression]}"
    sha256, size = write_lines(path, counted())
    return [Shard(path.name, sha256, size, documents)]


def write_lines(path: Path, spans: Iterable[Span]) -> tuple[str, int]:
    """Writes a shard, compressed if its name says so; returns its SHA-256 in hex and its bytes."""
    size, digest = 0, hashlib.sha256()
    pieces = _pieces(spans)
    with atomic_write(path) as file:
        for piece in _compressed(pieces) if path.suffix == ".zst" else pieces:
            size += file.write(piece)
            digest.update(piece)
    return digest.hexdigest(), size


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj()
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _pieces(spans: Iterable[Span]) -> Iterator[bytes]:
    """Yields the bytes of a shard, a block of lines or a line at a time.

    Sources take turns, and each goes on in its own file: those read last stay open.
    """
    files: dict[Path, IO[bytes]] = {}
    try:
        for span in spans:
            file = files.pop(span.path, None) or span.path.open("rb")
            files[span.path] = file
            if len(files) > OPEN_FILES:
                files.pop(next(iter(files))).close()
            file.seek(span.start)
            left = span.end - span.start
            while left:
                piece = file.read(left if span.copy > 1 else min(left, COPY_BYTES))
                if not piece:
                    raise UserError(
                        f"{span.path} was cut short after it was written. Run `dvc repro` again: "
                        "what is damaged is judged again."
                    )
                left -= len(piece)
                yield piece[:-2] + span.mark + piece[-2:] if span.copy > 1 else piece
    finally:
        for file in files.values():
            file.close()
