"""Runs tasks in threads or processes of this machine."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any

from tqdm import tqdm

from tohum.cluster import StageTasks, Task, Work
from tohum.errors import UserError
from tohum.process import end_with_parent

MOST_PROCESSES = 61 if sys.platform == "win32" else 4096  # that a pool can wait for


def run_here(
    job: StageTasks, tasks: Iterable[Task], workers: int, bar: "tqdm[Any]"
) -> Iterator[Any]:
    """Yields the results in order; two tasks per worker are waiting or running at any time."""
    tasks = iter(tasks)
    head = list(islice(tasks, job.few + 1))
    every = chain(head, tasks)
    if workers == 1 or len(head) <= job.few:
        work = job.start(job.setup)
        for task in every:
            yield work(task.value, bar.update)
    elif job.threads:
        work = job.start(job.setup)
        with ThreadPoolExecutor(workers) as threads:
            yield from _in_order(
                threads, every, lambda task: threads.submit(work, task.value, bar.update), workers
            )
    else:
        workers = min(workers, MOST_PROCESSES)
        context = multiprocessing.get_context("spawn")
        arguments = (job, os.getpid())
        try:
            with ProcessPoolExecutor(workers, context, _start, arguments) as processes:
                for result, advanced in _in_order(
                    processes, every, lambda task: processes.submit(_do, task.value), workers
                ):
                    bar.update(advanced)
                    yield result
        except BrokenProcessPool:
            raise UserError(
                "a worker process died, most likely for lack of memory. Lower `workers` in "
                "conf/runtime.yaml and run `dvc repro` again; finished work is kept."
            ) from None


def _in_order(
    executor: Executor,
    tasks: Iterable[Task],
    submit: Callable[[Task], "Future[Any]"],
    workers: int,
) -> Iterator[Any]:
    results: deque[Future[Any]] = deque()
    unfinished: set[Future[Any]] = set()
    try:
        for task in tasks:
            results.append(submit(task))
            unfinished.add(results[-1])
            if len(unfinished) >= 2 * workers:
                unfinished = wait(unfinished, return_when=FIRST_COMPLETED).not_done
            while results and results[0].done():
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)  # after an error, don't do the rest


_work: Work


def _start(job: StageTasks, stage: int) -> None:
    global _work  # noqa: PLW0603  # a worker process has one, made once
    end_with_parent(stage)
    _work = job.start(job.setup)


def _do(value: Any) -> tuple[Any, int]:
    """Returns the result of a task, and how far it moves the progress bar."""
    return counted(_work, value)


def counted(work: Work, value: Any) -> tuple[Any, int]:
    """Does a task where the progress bar is not; returns its result, and how far it moves it."""
    steps: list[int] = []
    return work(value, steps.append), sum(steps)
