"""Fetches segments on a cluster: a task is a few segments, and a node asks for their open rows.

The nodes write journals in a folder that all of them see (attempts.py), with the fetcher and the
pool that one machine uses. The stage's own process hands out tasks and gets the segments back in
order, each with its journal. What it needs later about their rows waits in files, not in memory.
"""

import math
import os
import pickle
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tohum.cluster import Advance, StageTasks, Task, Work, run
from tohum.cluster.node import tasks_at_once
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.fetch.attempts import done_places, gather, journals_of
from tohum.fetch.journal import journal_path
from tohum.fetch.pool import Counters, Pool, Segment
from tohum.fetch.row_fetcher import OPEN_KINDS, row_fetcher
from tohum.fetch.shared_throttle import READ_SECONDS, shared_throttles
from tohum.files import WRITER, fresh

TASK_ROWS = 4096  # to fetch, at least, if there are so many in TASK_SEGMENTS
TASK_SEGMENTS = 8
CORES = 0.25  # of a core, for each task: it waits for the network, and at its end for a few rows
MEMORY_BYTES = 400_000_000  # a process has 150 MB, and a few bodies
NEEDED = ("id", "url")  # of a row, to fetch it
READS = 100.0  # of the file of pauses, a second on each node, at most

Rows = dict[int, dict[str, Any]]


@dataclass(frozen=True)
class FetchSetup:
    """What a process needs to fetch rows: where their contents are, and where journals go."""

    content: str
    runtime: Runtime
    journals: Path
    pauses: Path


@dataclass
class FetchedSegments:
    """What a task has done: for each segment the journal that it has written, if any, and those
    that were there before.
    """

    counters: Counters = field(default_factory=Counters)
    journals: dict[int, tuple[str | None, list[str]]] = field(default_factory=dict)


def fetch_on_cluster(
    setup: FetchSetup,
    work: Path,
    coming: Iterator[Segment],
    counters: Counters,
    bar: "tqdm[Any]",
) -> Iterator[Segment]:
    """Yields the segments in order, each with its journal open for reading.

    Args:
        work: the source's folder for unfinished work.
        counters: incremented by what the tasks have fetched.

    Raises:
        UserError: the store can't be reached, or the cluster or a node can't be used.
    """
    waiting = fresh(work / "waiting")
    handed_out: deque[list[Path]] = deque()

    def tasks() -> Iterator[Task]:
        for group in _groups(coming):
            handed_out.append([_put_by(segment, waiting) for segment in group])
            first, last = group[0].number, group[-1].number
            yield Task(
                f"rows of the segments {first} to {last}",
                {segment.number: _needed(segment.wanted) for segment in group},
            )

    job = StageTasks(
        "download", work, make_segment_fetcher, setup, MEMORY_BYTES, cores=CORES, unit="file"
    )
    for done in run(job, tasks(), setup.runtime, bar):
        counters.rows += done.counters.rows
        counters.bytes += done.counters.bytes
        for path in handed_out.popleft():
            yield _taken_up(path, done, setup.journals)


def _groups(segments: Iterator[Segment]) -> Iterator[list[Segment]]:
    """Yields runs of segments that make a task each."""
    group: list[Segment] = []
    for segment in segments:
        group.append(segment)
        rows = sum(len(each.wanted) for each in group)
        if rows >= TASK_ROWS or len(group) == TASK_SEGMENTS:
            yield group
            group = []
    if group:
        yield group


def _needed(wanted: Rows) -> Rows:
    """Returns what a node needs to know about rows."""
    return {
        place: {name: row[name] for name in NEEDED if name in row} for place, row in wanted.items()
    }


def _put_by(segment: Segment, folder: Path) -> Path:
    """Writes a segment to a file, and returns it."""
    path = folder / f"{segment.number:08d}"
    path.write_bytes(pickle.dumps((segment.number, list(segment.wanted), segment.rest)))
    return path


def _taken_up(path: Path, done: FetchedSegments, journals: Path) -> Segment:
    """Returns a segment from its file, with its journal.

    Raises:
        UserError: the journal lacks what a node has fetched.
    """
    number, places, rest = pickle.loads(path.read_bytes())
    path.unlink()
    segment = Segment(number, dict.fromkeys(places), rest)
    if places:
        own, others = done.journals[number]
        segment.journal = gather(journals, number, own, others, OPEN_KINDS)
        lacking = set(places) - segment.journal.places()
        if lacking:
            raise UserError(
                f"{segment.journal.path} lacks {len(lacking)} of its {len(places)} rows, which a "
                "node has fetched and written. Look at what the node's and the file server's logs "
                "say about that file system, and run `dvc repro` again: the rest is kept."
            )
    return segment


def make_segment_fetcher(setup: FetchSetup) -> Work:
    """Returns the function that fetches some segments' open rows; it keeps its connections."""
    return SegmentFetcher(setup).fetch


class SegmentFetcher:
    """Fetches segments in this process, one task after another, by the same open connections.

    It has its part of the node's connections, and one throttle with all nodes.
    """

    def __init__(self, setup: FetchSetup) -> None:
        at_once = tasks_at_once()
        connections = max(1, math.ceil(setup.runtime.connections / at_once))
        throttle = shared_throttles(setup.pauses, max(READ_SECONDS, at_once / READS), connections)
        runtime = replace(setup.runtime, connections=connections)
        self.fetcher = row_fetcher(setup.content, runtime, throttle)
        self.journals = setup.journals
        self.writer = os.environ.get(WRITER, "")
        ahead = max(4 * connections, TASK_ROWS)
        self.pool = Pool(self.fetcher, self.journals, ahead, OPEN_KINDS, self.writer)
        self._running = self.pool.running()
        self._running.__enter__()

    def fetch(self, wanted: dict[int, Rows], advance: Advance) -> FetchedSegments:
        """Fetches rows, by segment and place, that no journal has yet."""
        self.fetcher.rest()
        found = FetchedSegments()
        self.pool.counters = found.counters
        coming = []
        for number, rows in wanted.items():
            there = journals_of(self.journals, number)
            done = done_places(there, OPEN_KINDS)
            own = journal_path(self.journals, number, self.writer)
            left = {place: row for place, row in rows.items() if place not in done}
            others = [path.name for path in there if path != own]
            found.journals[number] = (own.name if left or own in there else None, others)
            coming.append(Segment(number, left))
        for segment in self.pool.results(coming):
            if segment.journal is not None:
                segment.journal.close()
        advance(found.counters.rows)
        return found
