"""The shards of the corpus: planned from the sizes of the lines alone, then written by tasks.

A line goes to a shard as it was judged, so a shard is a list of places in the files of judged
documents. Tasks copy them, here or on other nodes, and the driver reads no text.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path
from typing import IO, NamedTuple

import zstandard

from tohum.cluster import Advance, Work
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.formats.records import SUFFIXES, ZSTD_LEVEL, Shard
from tohum.marks import Hashed, read_mark, write_mark

WORKER_BYTES = 128_000_000  # of memory: a shard's plan, and the longest record that is a copy
COPY_BYTES = 1 << 17  # few enough to be hashed while they are in the processor's cache


class Span(NamedTuple):
    """Bytes of a file of judged lines: `documents` lines that follow each other, or one that is a
    later copy.

    `copy` counts from 1; from 2 on, the record says so.
    """

    path: Path
    start: int
    end: int
    copy: int = 1
    documents: int = 1

    @property
    def size(self) -> int:
        """How many bytes they are in a shard."""
        there = self.end - self.start
        return there + len(self.mark) if self.copy > 1 else there

    @property
    def mark(self) -> bytes:
        """What a later copy has before its closing brace."""
        return b',"copy":%d' % self.copy


class ShardPlan(NamedTuple):
    """A shard that is to be written: its name, and its lines in order."""

    name: str
    spans: list[Span]


def planned_shards(
    lines: Iterable[Span], shard_bytes: int, compression: str
) -> Iterator[ShardPlan]:
    """Cuts lines into shards of at most `shard_bytes` bytes of JSON, or of one longer line."""
    spans: list[Span] = []
    names = (f"part-{number:05d}{SUFFIXES[compression]}" for number in count())
    begun = 0
    for line in lines:
        size = line.size
        if spans and begun + size > shard_bytes:
            yield ShardPlan(next(names), spans)
            spans, begun = [], 0
        _append(spans, line)
        begun += size
    if spans:
        yield ShardPlan(next(names), spans)


def _append(spans: list[Span], line: Span) -> None:
    """Appends a line, to the last span if it follows that in its file."""
    last = spans[-1] if spans else line
    if line.path is last.path and line.start == last.end and line.copy == last.copy == 1:
        spans[-1] = Span(line.path, last.start, line.end, 1, last.documents + 1)
    else:
        spans.append(line)


@dataclass(frozen=True)
class ShardCopier:
    """Writes shards to a folder."""

    folder: Path

    def write(self, plan: ShardPlan, advance: Advance) -> Shard:
        """Writes a shard, unless that is done."""
        path, mark = self.folder / plan.name, self.folder / f"{plan.name}.json"
        done = read_mark(mark)
        if done is None:
            shard = write_shard(path, plan.spans, advance)
            write_mark(mark, [Hashed(path, shard.bytes, shard.sha256)], asdict(shard))
            return shard
        advance(sum(span.size for span in plan.spans))
        return Shard(**done)


def make_copier(folder: Path) -> Work:
    """Returns what writes a shard to `folder`."""
    return ShardCopier(folder).write


def write_whole(
    folder: Path, lines: Iterator[Span], compression: str, advance: Advance
) -> list[Shard]:
    """Writes all lines to a single corpus, if there are any, as they come: memory holds one."""
    first = next(lines, None)
    if first is None:
        return []
    path = folder / f"corpus{SUFFIXES[compression]}"
    return [write_shard(path, chain([first], lines), advance)]


def write_shard(path: Path, spans: Iterable[Span], advance: Advance) -> Shard:
    """Writes a shard, compressed if its name says so; moves the bar on by its bytes of JSON."""
    documents = size = 0
    digest = hashlib.sha256()

    def counted() -> Iterator[Span]:
        nonlocal documents
        for span in spans:
            yield span
            documents += span.documents
            advance(span.size)

    pieces = _pieces(counted())
    with atomic_write(path) as file:
        for piece in _compressed(pieces) if path.suffix == ".zst" else pieces:
            size += file.write(piece)
            digest.update(piece)
    return Shard(path.name, digest.hexdigest(), size, documents)


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj()
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _pieces(spans: Iterable[Span]) -> Iterator[bytes]:
    """Yields the bytes of a shard, a block of lines or a line at a time.

    Sources take turns, and each goes on in its own file: one stays open for each that takes part.
    """
    files: dict[tuple[Path, int], IO[bytes]] = {}
    with ExitStack() as stack:
        for span in spans:
            source = span.path.parent, span.copy
            file = files.get(source)
            if file is None or file.name != str(span.path):
                if file is not None:
                    file.close()
                file = files[source] = stack.enter_context(span.path.open("rb"))
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
