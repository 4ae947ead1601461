"""The second pass: writes the corpus, a task for each shard, and counts what is in it.

The work directory has, for each shard:

part-<number>.jsonl   (or .jsonl.zst, or corpus.jsonl) the shard; it is moved to the output at last
<number>.dropped      the lines of dropped.jsonl that go with it
<number>.json         the mark of both, written last; its facts are the counts. A stage that was
                      killed writes only the shards that have none
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from stages.jsonl.config import Jsonl
from stages.jsonl.opt_out import OPTED_OUT, matched_lines
from stages.jsonl.origins import Origins
from stages.jsonl.preparing import WORKER_BYTES
from stages.jsonl.shard_plans import ShardPlan
from tohum.cluster import Advance, StageTasks, Task, Work, run
from tohum.config.runtime import Runtime
from tohum.files import atomic_write
from tohum.formats.outcomes import Totals
from tohum.formats.records import Shard, ShardWriter, complete_file
from tohum.marks import Hashed, read_mark, write_mark
from tohum.progress import progress_bar

INLINE_SHARDS = 3  # so few are written before worker processes have started
DISK_THREADS = 4  # that wait for the disk, which syncs several shards at once


@dataclass(frozen=True)
class ShardFolder:
    """Where the shards are written, and in which form."""

    path: Path
    shard_bytes: int | None
    compression: str

    def dropped(self, number: int) -> Path:
        """Where the dropped lines of a shard are."""
        return self.path / f"{number:06d}.dropped"

    def mark(self, number: int) -> Path:
        """Where the mark of a shard is."""
        return self.path / f"{number:06d}.json"


@dataclass
class WrittenCorpus:
    """What was written: the totals, the origins, the drop counts by source, the numbers of the
    lines of conf/opt_out.txt that dropped something, and how many tasks it took.
    """

    folder: ShardFolder
    totals: Totals = field(default_factory=Totals)
    origins: Origins = field(default_factory=Origins)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    opted_out: set[int] = field(default_factory=set)
    tasks: int = 0

    def add(self, facts: dict[str, Any]) -> None:
        """Adds the counts of the next shard."""
        self.tasks += 1
        totals = self.totals
        totals.shards += [Shard(**shard) for shard in facts["shards"]]
        totals.copies += facts["copies"]
        totals.redacted += facts["redacted"]
        for member, repo, license, documents, size in facts["origins"]:
            totals.bytes += size
            count = totals.sources.setdefault(member, {"documents": 0, "bytes": 0})
            count["documents"] += documents
            count["bytes"] += size
            self.origins.add(member, (repo, license), size, documents)
        for member, reason, documents, size in facts["dropped"]:
            self.dropped.setdefault(member, Counter())[reason] += documents
            totals.dropped_bytes[reason] += size
        self.opted_out.update(facts["opted_out"])

    def write_dropped(self, path: Path, earlier: Iterable[Path]) -> None:
        """Writes dropped.jsonl.

        Args:
            earlier: files whose lines go first: rows whose files were never fetched.
        """
        parts = map(self.folder.dropped, range(self.tasks))
        with atomic_write(path) as whole:
            for part in (*earlier, *parts):
                with part.open("rb") as lines:
                    shutil.copyfileobj(lines, whole)

    def move_shards(self, out: Path) -> None:
        """Moves the shards to `out`; what marks them is gone before they are."""
        for number in range(self.tasks):
            self.folder.mark(number).unlink(missing_ok=True)
        for shard in self.totals.shards:
            (self.folder.path / shard.name).replace(out / shard.name)


def write_corpus(
    plans: Iterable[ShardPlan], config: Jsonl, runtime: Runtime, folder: Path
) -> WrittenCorpus:
    """Writes all shards to `folder`, unless they are there, and the dropped lines of each."""
    folder.mkdir(exist_ok=True)
    shards = ShardFolder(folder, config.shard_bytes, config.compression)
    corpus = WrittenCorpus(shards)
    tasks = (Task(f"part-{plan.number:05d}", plan) for plan in plans)
    job = StageTasks("jsonl", folder, make_writer, shards, WORKER_BYTES, few=INLINE_SHARDS)
    with ThreadPoolExecutor(DISK_THREADS, "disk") as disk, progress_bar("", "B", False) as bar:
        kept = []
        for number, facts in enumerate(run(job, tasks, runtime, bar)):
            kept.append(disk.submit(keep_shard, shards, number, facts))
            corpus.add(facts)
        for future in kept:
            future.result()
    corpus.totals.dropped = sum(corpus.dropped.values(), Counter())
    return corpus


def make_writer(folder: ShardFolder) -> Work:
    """Returns what a worker process does with a plan."""
    return partial(write_shard, folder)


def write_shard(folder: ShardFolder, plan: ShardPlan, advance: Advance) -> dict[str, Any]:
    """Writes one shard, unless it is there, and returns the counts."""
    done = read_mark(folder.mark(plan.number))
    if done is not None:
        return done
    origins, losses = Origins(), _Losses()
    copies = redactions = 0
    with (
        ShardWriter(folder.path, folder.shard_bytes, folder.compression, plan.number) as writer,
        complete_file(folder.dropped(plan.number)) as lines,
    ):
        for member, reason, line, size, origin, redacted, copy in plan.documents():
            if reason:
                lines.write(line)
                losses.add(member, reason, line, size)
                continue
            writer.write_line(line)
            origins.add(member, origin, size)
            copies += copy > 1
            redactions += redacted
    advance(sum(shard.bytes for shard in writer.shards))
    return {
        "shards": [asdict(shard) for shard in writer.shards],  # none: all documents were dropped
        "copies": copies,
        "redacted": redactions,
        "origins": origins.rows(),
        "dropped": losses.rows(),
        "opted_out": sorted(losses.opted_out),
    }


def keep_shard(folder: ShardFolder, number: int, facts: dict[str, Any]) -> None:
    """Syncs a shard to disk and marks it, unless it is."""
    mark = folder.mark(number)
    if mark.is_file():
        return
    shards = [Shard(**shard) for shard in facts["shards"]]
    for shard in shards:
        with (folder.path / shard.name).open("rb+") as file:
            os.fsync(file.fileno())
    written = [Hashed(folder.path / each.name, each.bytes, each.sha256) for each in shards]
    write_mark(mark, [*written, folder.dropped(number)], facts)


class _Losses:
    """How many documents were dropped, and the bytes of their texts, by source and reason."""

    def __init__(self) -> None:
        self.documents: Counter[tuple[str, str]] = Counter()
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.opted_out: set[int] = set()

    def add(self, member: str, reason: str, line: bytes, size: int) -> None:
        self.documents[member, reason] += 1
        self.bytes[member, reason] += size
        if reason == OPTED_OUT:
            self.opted_out |= matched_lines(orjson.loads(line)["detail"])

    def rows(self) -> list[list[Any]]:
        return [[*key, count, self.bytes[key]] for key, count in self.documents.items()]
