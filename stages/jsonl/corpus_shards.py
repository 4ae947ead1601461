"""The shards of the corpus: planned from the sizes of the lines alone, then written by tasks.

A line goes to a shard as it was judged, so a shard is a list of places in the files of judged
documents. Tasks copy them, here or on other nodes, and the driver reads no text.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
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


@dataclass
class ShardPlan:
    """A shard that is to be written: its name, its lines in order, and how many they are."""

    name: str
    spans: list[Span]
    documents: int = 0
    bytes: int = 0

    def add(self, line: Span, size: int) -> None:
        """Appends a line, to the last span if it follows that in its file."""
        last = self.spans[-1] if self.spans else line
        if line.path is last.path and line.start == last.end and line.copy == last.copy == 1:
            self.spans[-1] = Span(line.path, last.start, line.end)
        else:
            self.spans.append(line)
        self.documents += 1
        self.bytes += size


def planned_shards(
    lines: Iterable[Span], shard_bytes: int | None, compression: str
) -> Iterator[ShardPlan]:
    """Cuts lines into shards of at most `shard_bytes` bytes of JSON, or of one longer line; None
    makes a single one.
    """
    plan, begun = None, 0
    for line in lines:
        size = line.size
        if plan and shard_bytes is not None and plan.bytes + size > shard_bytes:
            yield plan
            plan = None
        if plan is None:
            stem = "corpus" if shard_bytes is None else f"part-{begun:05d}"
            plan, begun = ShardPlan(f"{stem}{SUFFIXES[compression]}", []), begun + 1
        plan.add(line, size)
    if plan:
        yield plan


@dataclass(frozen=True)
class ShardCopier:
    """Writes shards to a folder."""

    folder: Path

    def write(self, plan: ShardPlan, advance: Advance) -> Shard:
        """Writes a shard, unless that is done."""
        path, mark = self.folder / plan.name, self.folder / f"{plan.name}.json"
        done = read_mark(mark)
        if done is None:
            pieces = _pieces(plan.spans)
            if path.suffix == ".zst":
                pieces = _compressed(pieces)
            size, digest = 0, hashlib.sha256()
            with atomic_write(path) as file:
                for piece in pieces:
                    size += file.write(piece)
                    digest.update(piece)
            sha256 = digest.hexdigest()
            done = asdict(Shard(plan.name, sha256, size, plan.documents))
            write_mark(mark, [Hashed(path, size, sha256)], done)
        advance(plan.bytes)
        return Shard(**done)


def make_copier(folder: Path) -> Work:
    """Returns what writes a shard to `folder`."""
    return ShardCopier(folder).write


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(ZSTD_LEVEL).compressobj()
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def _pieces(spans: list[Span]) -> Iterator[bytes]:
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
