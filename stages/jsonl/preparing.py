"""Judges the units of a source in worker processes; units already on disk are skipped."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.jsonl.candidates import UNIT_BYTES, Unit
from stages.jsonl.config import Jsonl
from stages.jsonl.judging import Judge
from stages.jsonl.opt_out import OptOut
from stages.jsonl.prepared import is_prepared, write_prepared
from tohum.cluster import Advance, StageTasks, Task, Work, run
from tohum.config.runtime import Runtime
from tohum.progress import progress_bar

INLINE_UNITS = 3  # so few are done before worker processes have started: 0.3 s
WORKER_BYTES = 512_000_000  # of memory; a unit takes a tenth of it, and its longest row the rest


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

    def prepare(self, value: tuple[Path, Unit], advance: Advance) -> None:
        """Writes a unit to the files of its path."""
        path, unit = value
        judged = map(self.judge.judge, unit.candidates())
        write_prepared(path, judged, self.with_signatures)
        advance(UNIT_BYTES)


def make_preparer(book: Rulebook) -> Work:
    """Returns what a worker process does with a unit."""
    return Preparer(book).prepare


def prepare(
    units: Iterable[Unit], book: Rulebook, runtime: Runtime, folder: Path, name: str
) -> list[Path]:
    """Writes every unit to `folder`, unless it is there, and returns their paths, in order.

    Memory holds two units per worker, whatever the size of the source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Only these are looked up: a network file system remembers that a file wasn't there.
    there = {path.name for path in folder.iterdir()}
    paths: list[Path] = []
    with progress_bar(name, "B", runtime.progress, unit_scale=True) as bar:

        def unfinished() -> Iterator[Task]:
            for number, unit in enumerate(units):
                paths.append(folder / f"{number:06d}")
                if f"{paths[-1].name}.json" in there and is_prepared(paths[-1]):
                    bar.update(UNIT_BYTES)
                else:
                    yield Task(f"{name}, unit {number}", (paths[-1], unit))

        job = StageTasks("jsonl", folder, make_preparer, book, WORKER_BYTES, few=INLINE_UNITS)
        for _ in run(job, unfinished(), runtime, bar):
            pass
    return paths
