"""Writes the corpus: shards, dropped.jsonl, the counts, and where its documents come from."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from stages.jsonl.config import Jsonl
from stages.jsonl.corpus_shards import (
    Span,
    make_copier,
    memory_for,
    planned_shards,
    write_whole,
)
from stages.jsonl.mixing import Document
from stages.jsonl.opt_out import OPTED_OUT, matched_lines
from stages.jsonl.prepared import Origin
from tohum.cluster import StageTasks, Task, run
from tohum.config.runtime import Runtime
from tohum.files import atomic_write
from tohum.formats.outcomes import Totals
from tohum.formats.records import Shard
from tohum.licenses import UNKNOWN, spdx
from tohum.progress import progress_bar

SHARDS = "shards"  # the folder in the work directory


class Origins:
    """How many documents and bytes came from which repository, under which licence.

    Memory grows with the number of repositories, not of documents.
    """

    def __init__(self) -> None:
        self.documents: Counter[tuple[str, Origin]] = Counter()
        self.bytes: Counter[tuple[str, Origin]] = Counter()

    def add(self, member: str, origin: Origin, size: int) -> None:
        """Counts one document."""
        self.documents[member, origin] += 1
        self.bytes[member, origin] += size

    def licenses(self) -> dict[str, dict[str, Any]]:
        """Returns the documents and bytes by licence as the sources state it ("unknown" if they
        don't), most bytes first, with its SPDX expression or None.
        """
        documents: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for (member, (repo, license)), count in self.documents.items():
            name = license or UNKNOWN
            documents[name] += count
            sizes[name] += self.bytes[member, (repo, license)]
        names = sorted(sizes, key=lambda name: (-sizes[name], name))
        return {
            name: {"spdx": spdx(name), "documents": documents[name], "bytes": sizes[name]}
            for name in names
        }

    def write(self, path: Path) -> None:
        """Writes a line for each source, repository and licence, in order."""
        with atomic_write(path) as file:
            for member, (repo, license) in sorted(self.documents, key=_order):
                entry = {
                    "source": member,
                    "repo": repo,
                    "license": license,
                    "spdx": spdx(license),
                    "documents": self.documents[member, (repo, license)],
                    "bytes": self.bytes[member, (repo, license)],
                }
                file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _order(item: tuple[str, Origin]) -> tuple[str, str, str]:
    member, (repo, license) = item
    return member, repo or "", license or ""


class Ledger:
    """Takes documents in their final order: counts them, and writes what was left out.

    Attributes:
        dropped_of: the drop counts by source.
        opted_out: the numbers of the lines of conf/opt_out.txt that dropped something.
    """

    def __init__(self) -> None:
        self.totals, self.origins = Totals(), Origins()
        self.dropped_of: dict[str, Counter[str]] = {}
        self.opted_out: set[int] = set()

    def kept(self, documents: Iterable[Document], dropped: IO[bytes]) -> Iterator[Span]:
        """Yields the line of each record; the others are written to `dropped`."""
        totals = self.totals
        for member, reason, line, why, size, origin, redacted in documents:
            if reason:
                dropped.write(why)
                self.dropped_of.setdefault(member, Counter())[reason] += 1
                if reason == OPTED_OUT:
                    self.opted_out |= matched_lines(orjson.loads(why)["detail"])
                totals.dropped_bytes[reason] += size
                continue
            totals.bytes += size
            totals.copies += line.copy > 1
            totals.redacted += redacted
            count = totals.sources.setdefault(member, {"documents": 0, "bytes": 0})
            count["documents"] += 1
            count["bytes"] += size
            self.origins.add(member, origin, size)
            yield line


def write_corpus(
    documents: Iterable[Document],
    config: Jsonl,
    runtime: Runtime,
    work: Path,
    out: Path,
    earlier: Iterable[Path],
) -> Ledger:
    """Writes the shards to `work`, where finished ones are kept, and dropped.jsonl to `out`.

    Args:
        earlier: files whose lines go first in dropped.jsonl: rows whose files were never fetched.
    """
    ledger = Ledger()
    with (
        atomic_write(out / "dropped.jsonl") as dropped,
        progress_bar("shards", "B", runtime.progress, unit_scale=True) as bar,
    ):
        for path in earlier:
            with path.open("rb") as lines:
                shutil.copyfileobj(lines, dropped)
        kept = ledger.kept(documents, dropped)
        folder = work / SHARDS
        if config.shard_bytes is None:
            shards = write_whole(folder, kept, config.compression, bar.update)
        else:
            memory = memory_for(config.shard_bytes)
            job = StageTasks("jsonl", folder, make_copier, folder, memory, threads=True)
            plans = planned_shards(kept, config.shard_bytes, config.compression)
            shards = list(run(job, (Task(plan.name, plan) for plan in plans), runtime, bar))
    ledger.totals.shards = shards
    ledger.totals.dropped = sum(ledger.dropped_of.values(), Counter())
    return ledger


def take_shards(work: Path, out: Path, shards: list[Shard]) -> None:
    """Moves the shards that `write_corpus` wrote to `out`."""
    for mark in (work / SHARDS).glob("*.json"):
        mark.unlink()  # first: a shard without its mark is written again, and nobody warned
    for shard in shards:
        (work / SHARDS / shard.name).replace(out / shard.name)
