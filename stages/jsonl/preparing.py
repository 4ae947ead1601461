"""Judges the units of a source in worker processes; units already on disk are skipped."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from stages.jsonl.candidates import UNIT_BYTES, Unit
from stages.jsonl.config import Jsonl
from stages.jsonl.judging import Judge
from stages.jsonl.opt_out import OptOut
from stages.jsonl.prepared import is_prepared, write_prepared
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.process import end_with_parent
from tohum.progress import progress_bar

INLINE_UNITS = 4  # so few are done before worker processes have started: 0.3 s


@dataclass
class Rulebook:
    """The rules of one source, as passed to a worker process."""

    rules: Jsonl
    opt_out: OptOut
    with_signatures: bool


class Preparer:
    """Judges units and writes the outcomes."""

    def __init__(self, book: Rulebook) -> None:
        self.judge = Judge(book.rules, book.opt_out)
        self.with_signatures = book.with_signatures

    def prepare(self, path: Path, unit: Unit) -> None:
        """Writes the unit to the files of `path`, unless they exist."""
        if not is_prepared(path):
            judged = map(self.judge.judge, unit.candidates())
            write_prepared(path, judged, self.with_signatures)


def prepare(
    units: Iterable[Unit], book: Rulebook, runtime: Runtime, folder: Path, name: str
) -> list[Path]:
    """Writes every unit to `folder` and returns their paths, in order.

    Memory holds two units per worker, whatever the size of the source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbered = ((folder / f"{number:06d}", unit) for number, unit in enumerate(units))
    with progress_bar(name, "B", runtime.progress, unit_scale=True) as bar:
        paths = []
        for path in _in_order(numbered, book, runtime.workers):
            paths.append(path)
            bar.update(UNIT_BYTES)
    return paths


def _in_order(
    numbered: Iterator[tuple[Path, Unit]], book: Rulebook, workers: int
) -> Iterator[Path]:
    """Yields each unit's path when it is on disk, in order."""
    head = list(islice(numbered, INLINE_UNITS))
    every = chain(head, numbered)
    if workers == 1 or len(head) < INLINE_UNITS:
        preparer = Preparer(book)
        for path, unit in every:
            preparer.prepare(path, unit)
            yield path
        return
    pending: deque[tuple[Path, Future[None] | None]] = deque()
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, _start_worker, (book, os.getpid())) as pool:
            for path, unit in every:
                done = is_prepared(path)
                pending.append((path, None if done else pool.submit(_work, path, unit)))
                while len(pending) >= 2 * workers:
                    yield _finished(*pending.popleft())
            while pending:
                yield _finished(*pending.popleft())
    except BrokenProcessPool:
        raise UserError(
            "a worker process died, most likely for lack of memory. Lower `workers` in "
            "conf/runtime.yaml and run `dvc repro` again; finished work is kept."
        ) from None


def _finished(path: Path, future: "Future[None] | None") -> Path:
    if future is not None:
        future.result()
    return path


_worker: Preparer


def _start_worker(book: Rulebook, stage: int) -> None:
    global _worker  # noqa: PLW0603  # a worker process has one, made once
    end_with_parent(stage)
    _worker = Preparer(book)


def _work(path: Path, unit: Unit) -> None:
    _worker.prepare(path, unit)
