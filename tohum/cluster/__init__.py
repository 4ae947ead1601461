"""Runs the tasks of a stage and gives their results in order: here, on a Ray cluster, or by Slurm.

A task is a shard of a stage's work: it reads files by their paths, writes files that appear whole,
and returns a few facts about them. So it may run anywhere that sees the project's folder, and run
again after whatever ran it has died: the stage's own marks say what is complete. `run` is the one
door; `runtime.cluster` decides where, and no output byte depends on it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from tohum.config.runtime import Runtime

SLURM = "slurm"

Advance = Callable[[int], object]  # moves the progress bar on by so many of its units
Work = Callable[[Any, Advance], Any]


class Task(NamedTuple):
    """One shard: its name, for messages, and what the work is given; both can be pickled."""

    name: str
    value: Any


@dataclass(frozen=True)
class StageTasks:
    """What all tasks of a stage have in common.

    Attributes:
        stage: its name.
        folder: its work directory, on the file system that all nodes share.
        start: makes the function that does a task, once in every process that works; it is a
            function of a module, so that other processes find it.
        setup: what `start` is given: paths and values that can be pickled.
        memory: bytes that a process needs for its tasks; a cluster puts no more on a node than fit.
        threads: whether tasks leave Python's lock to others, so that threads are enough here.
        few: so few tasks are done before other processes of this machine have started.
        cores: the share of a core that a task needs on a cluster: tasks that wait for the network
            need less than one, so that several run at a time for each core.
        unit: in which tasks move the progress bar on: B, bytes, or file.
    """

    stage: str
    folder: Path
    start: Callable[[Any], Work]
    setup: Any
    memory: int
    threads: bool = False
    few: int = 1
    cores: float = 1.0
    unit: str = "B"


@contextmanager
def joined(runtime: Runtime) -> Iterator[None]:
    """Keeps the connection to a Ray cluster, and its workers, from the first `run` in the block
    that has tasks to its end.
    """
    if runtime.cluster is None or runtime.cluster == SLURM:
        yield
        return
    from tohum.cluster.ray_cluster import kept_connection

    with kept_connection():
        yield


def run(
    job: StageTasks, tasks: Iterator[Task], runtime: Runtime, bar: "tqdm[Any]"
) -> Iterator[Any]:
    """Yields the result of every task, in order, as soon as those before it are there.

    Few tasks are asked for before they can run, so `tasks` may have any length.

    Raises:
        UserError: a task raised it; or the cluster or one of its nodes can't be used; or a task
            killed the process that did it, more than once if there are others to try.
    """
    first = next(tasks, None)
    if first is None:
        return iter(())
    every = chain([first], tasks)
    if runtime.cluster is None:
        from tohum.cluster.local_workers import run_here

        return run_here(job, every, runtime.workers, bar)
    if runtime.cluster == SLURM:
        from tohum.cluster.slurm_jobs import run_on_slurm

        return run_on_slurm(job, every, runtime.workers, bar)
    from tohum.cluster.ray_tasks import run_on_ray

    return run_on_ray(job, every, runtime.cluster, bar)
