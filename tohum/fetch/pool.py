"""Fetches many rows at once; journals keep the results, and the caller gets them in order.

The work comes in segments, short runs of neighbouring rows. The fetcher has several segments at a
time, so that a slow blob holds nothing up; a segment is handed over when all its results have
arrived, and segments are handed over in order. The concurrency does not affect the output.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tohum.fetch.journal import Journal, journal_path

MOST_OPEN_SEGMENTS = 32
ERROR_POLL_SECONDS = 0.1

Task = tuple["Segment", int, Any]  # a row, and its place in a segment
Tasks = queue.SimpleQueue[Task | None]
Done = Callable[[Task, int, bytes], None]


@dataclass
class Segment:
    """A run of rows: `wanted` maps a row's place in it to what the fetcher needs to know about it.

    `rest` is for the caller, who gets it back with the results; `held` is the number of its rows
    that are not wanted but still take memory.
    """

    number: int
    wanted: dict[int, Any]
    rest: Any = None
    held: int = 0
    journal: Journal | None = field(default=None, repr=False)
    complete: threading.Event = field(default_factory=threading.Event, repr=False)
    left: int = 0


@dataclass
class Counters:
    """What has been done so far, for the progress bar."""

    rows: int = 0
    bytes: int = 0


class Fetcher(Protocol):
    """The worker on rows: `run` is called in each of `runners` threads."""

    @property
    def runners(self) -> int:
        """The number of threads."""
        ...

    def run(self, tasks: Tasks, done: Done) -> None:
        """Works on tasks until None comes, and calls `done` with the kind and payload of each."""
        ...


class Pool:
    """Runs a fetcher on all wanted rows of the segments.

    Args:
        folder: for the journals. Results that they already have are not fetched again, except those
            of the kinds in `open_kinds`.
        ahead: rows to queue, so that the fetcher never waits for the caller.
        writer: what marks the journals as this process's own, where others may write some for the
            same segments.
        counters: those to increment; its own unless given.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        folder: Path,
        ahead: int,
        open_kinds: Collection[int] = (),
        writer: str = "",
        counters: Counters | None = None,
    ) -> None:
        self.fetcher = fetcher
        self.writer = writer
        self._open_kinds = open_kinds
        self.folder = folder
        self.counters = Counters() if counters is None else counters
        self._ahead = ahead
        self._tasks: Tasks = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator["Pool"]:
        """Starts the fetcher, and stops it when the block ends, even with work left."""
        threads = [
            threading.Thread(target=self._run, name=f"fetch-{number}", daemon=True)
            for number in range(self.fetcher.runners)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._end()

    def _end(self) -> None:
        try:
            while True:
                self._tasks.get_nowait()
        except queue.Empty:
            pass
        for _ in range(self.fetcher.runners):
            self._tasks.put(None)

    def _run(self) -> None:
        try:
            self.fetcher.run(self._tasks, self._done)
        except BaseException as error:
            self._error = self._error or error

    def _done(self, task: Task, kind: int, payload: bytes) -> None:
        segment, place, _ = task
        assert segment.journal is not None
        segment.journal.append(place, kind, payload)
        with self._lock:
            self.counters.rows += 1
            self.counters.bytes += len(payload)
            segment.left -= 1
            if not segment.left:
                segment.complete.set()

    def results(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yields each segment when it is complete, in order, its journal open for reading.

        The caller closes the journal, if there is one.

        Raises:
            BaseException: what the fetcher raised.
        """
        waiting: deque[Segment] = deque()
        in_hand = 0
        coming = iter(segments)
        more = True
        while more or waiting:
            while more and in_hand < self._ahead and len(waiting) < MOST_OPEN_SEGMENTS:
                segment = next(coming, None)
                if segment is None:
                    more = False
                    break
                self._begin(segment)
                in_hand += len(segment.wanted) + segment.held
                waiting.append(segment)
            if waiting:
                first = waiting.popleft()
                self._await(first)
                in_hand -= len(first.wanted) + first.held
                yield first

    def _begin(self, segment: Segment) -> None:
        """Opens the segment's journal and hands its open rows to the fetcher."""
        todo = []
        if segment.wanted:
            segment.journal = Journal(journal_path(self.folder, segment.number, self.writer))
            done = segment.journal.places(self._open_kinds)
            todo = [place for place in segment.wanted if place not in done]
        segment.left = len(todo)
        if not todo:
            segment.complete.set()
        for place in todo:
            self._tasks.put((segment, place, segment.wanted[place]))

    def _await(self, segment: Segment) -> None:
        while not segment.complete.wait(ERROR_POLL_SECONDS):
            if self._error is not None:
                raise self._error
