"""Runs tasks as Slurm jobs, by submitit: a job array, each job of which does a batch of tasks.

Slurm starts a job in seconds or hours, so a job gets many tasks. Everything else that Slurm wants
to know, a partition, an account, a time limit, it takes from variables of the environment:
SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
"""

import importlib.util
import logging
import math
import pickle
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tohum.cluster import SLURM, StageTasks, Task
from tohum.cluster.local_workers import counted
from tohum.cluster.node import CONSTRAINED, Site, disk_full, enter, site_of
from tohum.errors import UserError
from tohum.files import fresh
from tohum.shortages import is_full

MOST_TASKS = 64  # of a job: half a gigabyte to a gigabyte of text, some minutes
JOBS_PER_WORKER = 4  # so that they end at about the same time
LARGEST_ARRAY = 1000  # Slurm's default limit is 1,001
MOST_KILLS = 3  # of jobs, by one task
MOST_LOSSES = 30  # of jobs, with their nodes or to others
MINUTES = 240  # for a job, unless SBATCH_TIMELIMIT says otherwise
NODE_LOST = ("NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED", "CANCELLED")
SUBMITTED = "jobs.txt"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskBatch:
    """The tasks of a Slurm job: where the job and they are described, and where it notes which one
    it is doing.
    """

    site: Site
    job_file: Path
    tasks_file: Path
    note: Path


def run_on_slurm(
    job: StageTasks, tasks: Iterator[Task], workers: int, bar: "tqdm[Any]", cluster: str = SLURM
) -> Iterator[Any]:
    """Yields the results in order; `workers` jobs run at the same time.

    Args:
        cluster: submitit's name of the executor: slurm, or local for processes of this machine.
    """
    if importlib.util.find_spec("submitit") is None:
        raise UserError(
            "`cluster` in conf/runtime.yaml is 'slurm', but submitit is not installed. Install it: "
            f"{CONSTRAINED}, or set `cluster: null`."
        )
    if cluster == SLURM and shutil.which("sbatch") is None:
        raise UserError(
            "`cluster` in conf/runtime.yaml is 'slurm', but this machine has no `sbatch`. Run "
            "`dvc repro` on a node from which jobs are submitted, or set `cluster: null`."
        )
    import submitit

    folder = job.folder / "slurm"
    _cancel_earlier(folder, cluster)
    fresh(folder)
    executor = submitit.AutoExecutor(folder=folder / "logs", cluster=cluster)
    executor.update_parameters(
        name=f"tohum-{job.stage}",
        timeout_min=MINUTES,
        mem_gb=job.memory / 1e9,
        cpus_per_task=math.ceil(job.cores),
        slurm_array_parallelism=workers,
    )
    batches = _write_batches(job, tasks, workers, folder)
    submitted: list[Any] = []
    try:
        for first in range(0, len(batches), LARGEST_ARRAY):
            array = executor.map_array(do_batch, batches[first : first + LARGEST_ARRAY])
            _note_submitted(folder, array)
            submitted += array
        log.info("%d jobs submitted", len(submitted))
        for number, batch in enumerate(batches):
            for result, advanced in _results(executor, batch, submitted, number, folder):
                bar.update(advanced)
                yield result
    except BaseException:
        for running in submitted:
            running.cancel(check=False)
        raise


def _write_batches(
    job: StageTasks, tasks: Iterator[Task], workers: int, folder: Path
) -> list[TaskBatch]:
    """Writes the tasks to files, some for each job; memory holds one of them."""
    site = site_of(folder)
    job_file = folder / "job"
    job_file.write_bytes(pickle.dumps(job))
    paths: list[Path] = []
    for place, task in enumerate(tasks):
        paths.append(folder / f"{place:08d}.task")
        paths[-1].write_bytes(pickle.dumps(task))
    size = min(MOST_TASKS, math.ceil(len(paths) / (JOBS_PER_WORKER * workers)))
    batches = []
    for number, first in enumerate(range(0, len(paths), size)):
        listed = folder / f"{number:06d}.batch"
        listed.write_bytes(pickle.dumps(paths[first : first + size]))
        batches.append(TaskBatch(site, job_file, listed, folder / f"{number:06d}.note"))
    return batches


def _note_submitted(folder: Path, submitted: list[Any]) -> None:
    with (folder / SUBMITTED).open("a") as file:
        file.writelines(f"{running.job_id}\n" for running in submitted)


def _cancel_earlier(folder: Path, cluster: str) -> None:
    """Cancels the jobs that a killed run has left."""
    listed = folder / SUBMITTED
    if cluster == SLURM and listed.is_file() and (ids := listed.read_text().split()):
        subprocess.run(["scancel", "--quiet", *ids], check=False)


def _results(
    executor: Any, batch: TaskBatch, submitted: list[Any], number: int, folder: Path
) -> list[tuple[Any, int]]:
    """Waits for a job, which is submitted again where it has died, and returns what it did.

    Args:
        submitted: all jobs; the one with this number is replaced by the last that does the batch.

    Raises:
        UserError: a task raised it, or killed its job MOST_KILLS times.
    """
    from submitit.core.utils import FailedJobError, UncompletedJobError

    kills: Counter[str] = Counter()
    losses = 0
    while True:
        running = submitted[number]
        try:
            done, error = running.result()
        except FailedJobError:
            raise  # a defect: with its traceback
        except UncompletedJobError:
            state = str(running.state).partition(" ")[0]
            name, _, node = _read(batch.note).partition("\t")
            if state in NODE_LOST or not name:
                losses += 1
            else:
                kills[name] += 1
            if kills[name] >= MOST_KILLS or losses >= MOST_LOSSES:
                raise UserError(
                    f"{name or 'a job'} ended its Slurm job {max(kills[name], losses)} times, last "
                    f"on {node or 'a node'} ({state}), for lack of memory or time. Look at "
                    f"{running.paths.stderr}, raise SBATCH_TIMELIMIT if it says so, and run `dvc "
                    "repro` again; finished work is kept."
                ) from None
            log.warning("%s is done again: %s on %s", name or "a job", state, node or "a node")
            batch.note.unlink(missing_ok=True)
            submitted[number] = executor.submit(do_batch, batch)
            _note_submitted(folder, [submitted[number]])
            continue
        if error:
            raise UserError(error)
        results: list[tuple[Any, int]] = done
        return results


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def do_batch(batch: TaskBatch) -> tuple[list[tuple[Any, int]], str]:
    """Does the tasks of a job on a node; returns their results, or the error that ends the stage.

    A task whose files are complete, since an earlier job has done it, takes no time.
    """
    node = socket.gethostname()
    try:
        enter(batch.site)
    except UserError as problem:
        return [], f"the node {node} can't go on: {problem}"
    done = []
    try:
        job: StageTasks = pickle.loads(batch.job_file.read_bytes())
        work = job.start(job.setup)
        for path in pickle.loads(batch.tasks_file.read_bytes()):
            task: Task = pickle.loads(path.read_bytes())
            batch.note.write_text(f"{task.name}\t{node}")
            done.append(counted(work, task.value))
    except UserError as error:
        return [], str(error)
    except OSError as error:
        if not is_full(error):
            raise
        return [], disk_full(node, error)
    return done, ""
