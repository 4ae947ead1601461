"""Runs tasks on the nodes of a Ray cluster: Ray Core's tasks, nothing else of Ray.

A task gets paths and returns facts, a few hundred bytes; what is larger goes through the shared
file system. Ray retries nothing: only here is it known whether a task lost its node, which happens
to any, or killed its worker, which it may do again.
"""

import logging
import pickle
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tohum.cluster import StageTasks, Task, Work
from tohum.cluster.local_workers import counted
from tohum.cluster.node import Site, disk_full, enter, share_node, site_of
from tohum.cluster.ray_cluster import (
    Node,
    check_nodes,
    connected,
    failed_import,
    is_one_machine,
    nodes_of,
)
from tohum.errors import UserError
from tohum.files import fresh
from tohum.shortages import is_full

MOST_KILLS = 3  # of workers by one task
MOST_LOSSES = 30  # of nodes under one task
SPOOLED = 64 << 10  # a value of more bytes is passed in a file
AHEAD = 2  # tasks waiting or running for each that the cores can take
POLL_SECONDS = 1.0
NODE_SECONDS = 20.0  # after which Ray knows of a node that it has died

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """What a task gives back: its result, or the error that ends the stage; where, and how long."""

    node: str
    seconds: float
    advanced: int = 0
    result: Any = None
    error: str = ""


@dataclass
class Attempts:
    """A task on its way: its place among the results, and what became of its earlier attempts."""

    place: int
    name: str
    value: Any
    losses: int = 0
    killed_on: list[str] = field(default_factory=list)


def run_on_ray(
    job: StageTasks, tasks: Iterator[Task], address: str, bar: "tqdm[Any]"
) -> Iterator[Any]:
    """Yields the results in order."""
    spool = job.folder / "spool"
    try:
        with connected(address) as ray:
            site = site_of(fresh(spool), is_one_machine(ray))
            nodes = check_nodes(ray, site)
            _check_size(nodes, job)
            log.info("on %d nodes with %d cores", len(nodes), sum(node.cores for node in nodes))
            yield from _Run(ray, job, site, spool, bar).results(tasks)
    finally:
        # A worker that was given up may still write its trial there.
        for path in spool.glob("*"):
            path.unlink(missing_ok=True)


def _check_size(nodes: list[Node], job: StageTasks) -> None:
    """Raises a UserError if no node has room for a task."""
    if not any(node.cores >= 1 and node.memory >= job.memory for node in nodes):
        have = "; ".join(
            f"{node.name}: {node.cores:.0f} cores, {node.memory / 1e6:.0f} MB" for node in nodes
        )
        raise UserError(
            f"a task of the stage '{job.stage}' needs a core and {job.memory / 1e6:.0f} MB, which "
            f"no node of the cluster has ({have}). Add a node, or start it with more: `ray start "
            "--num-cpus=N --memory=BYTES`."
        )


class _Run:
    """The tasks that are on their way, and the results that wait for earlier ones."""

    def __init__(
        self, ray: Any, job: StageTasks, site: Site, spool: Path, bar: "tqdm[Any]"
    ) -> None:
        self.ray, self.job, self.site, self.spool, self.bar = ray, job, site, spool, bar
        self.job_file = spool / "job"
        self.job_file.write_bytes(pickle.dumps(job))
        self.remote = ray.remote(do_task).options(
            num_cpus=job.cores, memory=job.memory, max_retries=0
        )
        self.running: dict[Any, Attempts] = {}
        self.results_by_place: dict[int, Any] = {}
        self.done: Counter[str] = Counter()
        self.advanced: Counter[str] = Counter()
        self.started = time.monotonic()
        self.cores, self.room, self.counted_at = 0, 2 * AHEAD, 0.0

    def results(self, tasks: Iterator[Task]) -> Iterator[Any]:
        """Yields the results in order, and in the end logs what each node has done."""
        following = 0
        waiting = enumerate(tasks)
        more = True
        while more or self.running:
            self._count_cores()
            while more and len(self.running) < self.room:
                place, task = next(waiting, (0, None))
                more = task is not None
                if task is not None:
                    self._submit(Attempts(place, task.name, self._spooled(place, task.value)))
            self._collect()
            while following in self.results_by_place:
                yield self.results_by_place.pop(following)
                following += 1
        self._log_nodes()

    def _count_cores(self) -> None:
        """Looks, once a second, how many tasks the nodes there are can take."""
        if time.monotonic() - self.counted_at > POLL_SECONDS:
            cores = int(self.ray.cluster_resources().get("CPU", 0))
            if not cores and self.cores:
                log.warning("the cluster has no node left; waiting for one, `ray start --address`")
            self.cores = cores
            at_once = int(cores / self.job.cores)
            self.room, self.counted_at = AHEAD * max(2, at_once), time.monotonic()

    def _spooled(self, place: int, value: Any) -> Any:
        content = pickle.dumps(value)
        if len(content) <= SPOOLED:
            return value
        path = self.spool / f"{place:08d}.task"
        path.write_bytes(content)
        return Spooled(path)

    def _submit(self, attempts: Attempts) -> None:
        note = self.spool / f"{attempts.place:08d}.node"
        note.unlink(missing_ok=True)  # of the attempt before
        reference = self.remote.remote(self.site, self.job_file, attempts.value, note)
        self.running[reference] = attempts

    def _collect(self) -> None:
        """Takes what has ended within the next second."""
        if not self.running:
            return
        ended, _ = self.ray.wait(list(self.running), num_returns=1, timeout=POLL_SECONDS)
        if ended:  # and whatever else has, which saves a call for each
            ended, _ = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=0)
        for reference in ended:
            self._take(reference, self.running.pop(reference))

    def _take(self, reference: Any, attempts: Attempts) -> None:
        from ray import exceptions

        try:
            done: Done = self.ray.get(reference)
        except exceptions.RayTaskError as error:
            problem = failed_import(error, self.site)
            if problem is None:
                raise  # a defect: with its traceback
            raise UserError(f"{self._node_of(attempts)}: {problem}") from None
        except exceptions.RayError as error:
            self._try_again(attempts, error)
            return
        if done.error:
            raise UserError(done.error)
        self.bar.update(done.advanced)
        self.done[done.node] += 1
        self.advanced[done.node] += done.advanced
        self.results_by_place[attempts.place] = done.result
        for suffix in ("node", "task"):
            (self.spool / f"{attempts.place:08d}.{suffix}").unlink(missing_ok=True)

    def _try_again(self, attempts: Attempts, error: Exception) -> None:
        """Submits a task again whose worker or node has died.

        Raises:
            UserError: it has killed its worker MOST_KILLS times.
        """
        node = self._node_of(attempts)
        kind = type(error).__name__
        if node and kind != "NodeDiedError":
            attempts.killed_on.append(node)
        else:
            attempts.losses += 1
        if len(attempts.killed_on) >= MOST_KILLS:
            self._forgive(attempts)
        if len(attempts.killed_on) >= MOST_KILLS or attempts.losses >= MOST_LOSSES:
            killed = len(attempts.killed_on) >= MOST_KILLS
            what = "killed its worker process" if killed else "lost its node"
            times = len(attempts.killed_on) if killed else attempts.losses
            raise UserError(
                f"{attempts.name} {what} {times} times, last on {node or 'a node'} ({kind}), most "
                f"likely for lack of memory: {self.job.memory / 1e6:.0f} MB are reserved for a "
                "task. Start Ray with fewer cores on each node (`ray start --num-cpus=N`), or look "
                "at that shard, and run `dvc repro` again; finished work is kept."
            )
        log.warning("%s is done again: %s on %s", attempts.name, kind, node or "a lost node")
        self._submit(attempts)

    def _forgive(self, attempts: Attempts) -> None:
        """Takes back what was the fault of nodes that have died."""
        until = time.monotonic() + NODE_SECONDS
        while True:
            alive = {node.id for node in nodes_of(self.ray)}
            blamed = [node for node in attempts.killed_on if node.rpartition(" ")[2] in alive]
            if len(blamed) < len(attempts.killed_on) or time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS)
        attempts.losses += len(attempts.killed_on) - len(blamed)
        attempts.killed_on = blamed

    def _node_of(self, attempts: Attempts) -> str:
        """Returns the node that began with a task last: its name and its id; "" if none has."""
        try:
            return (self.spool / f"{attempts.place:08d}.node").read_text()
        except OSError:
            return ""

    def _log_nodes(self) -> None:
        seconds = max(time.monotonic() - self.started, 1e-3)
        for node, tasks in sorted(self.done.items()):
            rate = self.advanced[node] / seconds
            if self.job.unit == "B":
                log.info("%s: %d tasks, %.1f MB/s", node, tasks, rate / 1e6)
            else:
                log.info("%s: %d tasks, %.1f files/s", node, tasks, rate)


@dataclass(frozen=True)
class Spooled:
    """A value that is in a file of the shared file system."""

    path: Path

    def read(self) -> Any:
        """Returns the value."""
        return pickle.loads(self.path.read_bytes())


_works: deque[tuple[str, Work]] = deque(maxlen=1)


def do_task(site: Site, job_file: Path, value: Any, note: Path) -> Done:
    """Does a task in a worker process of a node, after checking the node if this is its first."""
    import ray

    addresses: Any = ray.util  # without types
    node = f"{addresses.get_node_ip_address()} {ray.get_runtime_context().get_node_id()}"
    started = time.monotonic()
    try:
        enter(site)
    except UserError as problem:
        return Done(node, 0, error=f"the node {node} can't go on: {problem}")
    try:
        note.write_text(node)
        result, advanced = counted(_work_of(job_file, site.token), _value(value))
    except UserError as error:
        return Done(node, 0, error=str(error))
    except OSError as error:
        if not is_full(error):
            raise
        return Done(node, 0, error=disk_full(node, error))
    return Done(node, time.monotonic() - started, advanced, result)


def _value(value: Any) -> Any:
    return value.read() if isinstance(value, Spooled) else value


def _work_of(job_file: Path, token: str) -> Work:
    """Returns what does the tasks of a job, made once in each process."""
    if not _works or _works[0][0] != token:
        job: StageTasks = pickle.loads(job_file.read_bytes())
        if job.cores < 1:
            share_node(_at_once_here(job))
        _works.append((token, job.start(job.setup)))
    return _works[0][1]


def _at_once_here(job: StageTasks) -> int:
    """Returns how many tasks of a job Ray runs at a time on this process's node."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    nodes = [node for node in nodes_of(ray) if node.id == here]
    return int(min(nodes[0].cores / job.cores, nodes[0].memory / job.memory)) if nodes else 1
