"""Merges the runs of all shards by ranges of keys: a range is a task, and makes one run.

The rows of a range are in that run only, so the table is these runs, one after another.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from stages.pretokens.run_merging import merge_all
from stages.pretokens.runs import KeyRange, bytes_of_runs, key_ranges, write_run
from tohum.cluster import SLURM, Advance, StageTasks, Task, Work, run
from tohum.config.runtime import Runtime
from tohum.files import fresh, partial_path
from tohum.marks import read_mark, write_mark
from tohum.progress import progress_bar

FAN_IN = 128  # runs that are open at a time in a process: macOS allows it 256 files
LEAST_FAN_IN = 8  # of each thread
QUEUED_BYTES = 4_000_000_000  # of runs: fewer are merged before Slurm starts a job
WORKER_BYTES = 300_000_000  # of memory


@dataclass(frozen=True)
class RangeMerger:
    """What merging any range needs: the runs, the folder for what is made of them, and how many of
    them are open at a time.
    """

    runs: list[Path]
    folder: Path
    fan_in: int

    def merge(self, keys: KeyRange, advance: Advance) -> Path:
        """Writes the run of a range, unless that is done."""
        path = self.folder / f"{name_of(keys)}.run"
        mark = path.with_suffix(".json")
        if read_mark(mark) is None:
            longer = fresh(partial_path(path.with_suffix(".longer")))
            try:
                write_run(path, merge_all(self.runs, self.fan_in, longer, keys))
            finally:
                shutil.rmtree(longer, ignore_errors=True)
            write_mark(mark, [path], sync=False)
        advance(path.stat().st_size)
        return path


def name_of(keys: KeyRange) -> str:
    """Returns the name of a range's files: the keys themselves, since other runs may make other
    ranges.
    """
    return f"{keys.start:017x}-{keys.end:017x}"


def make_range_merger(merger: RangeMerger) -> Work:
    """Returns what merges a range."""
    return merger.merge


def merge_ranges(runs: list[Path], folder: Path, runtime: Runtime) -> list[Path]:
    """Merges runs into runs in `folder`, of which each has all rows of a range of keys; returns
    these in the order of their rows.
    """
    folder.mkdir(exist_ok=True)
    ranges = key_ranges(runs)
    if len(ranges) == 1 or (runtime.cluster == SLURM and bytes_of_runs(runs) < QUEUED_BYTES):
        runtime = replace(runtime, cluster=None)
    at_once = 1
    if runtime.cluster is None:
        at_once = min(runtime.workers, len(ranges), FAN_IN // LEAST_FAN_IN)
        runtime = replace(runtime, workers=at_once)
    merger = RangeMerger(runs, folder, FAN_IN // at_once)
    job = StageTasks("pretokens", folder, make_range_merger, merger, WORKER_BYTES, threads=True)
    tasks = (Task(f"the range {name_of(keys)} of pretokens", keys) for keys in ranges)
    with progress_bar("merge", "B", runtime.progress, unit_scale=True) as bar:
        return list(run(job, tasks, runtime, bar))
