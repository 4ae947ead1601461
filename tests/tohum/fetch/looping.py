"""Runs a fetcher on names until each has a result, with policies of milliseconds."""

import queue
import ssl
from typing import Any

from tohum.fetch.http_connection import Endpoint
from tohum.fetch.pool import Fetcher, Segment, Task, Tasks
from tohum.fetch.retries import Judge, Lost, RetryPolicy, Throttle
from tohum.fetch.store import EMPTY_SHA1, check_blob
from tohum.fetch.store_loop import StoreLoop

FOUND, LOST = 0, 1
QUICK = RetryPolicy(first_wait=0.005, longest_wait=0.02, patience=3)

Results = dict[str, tuple[int, bytes]]


def result(row: Any, content: bytes | Lost) -> tuple[int, bytes]:
    """The work of these tests."""
    return (LOST, str(content).encode()) if isinstance(content, Lost) else (FOUND, content)


def quick_judge(policy: RetryPolicy = QUICK) -> Judge:
    return Judge(policy, Throttle(0.02, 0.1))


def store_loop(
    url: str,
    connections: int = 8,
    timeout: float = 0.3,
    judge: Judge | None = None,
    context: ssl.SSLContext | None = None,
    verified: bool = True,
    work: Any = result,
) -> StoreLoop:
    """A loop whose rows are names; not `verified`, it takes any body."""

    def check(row: Any, body: bytes) -> bytes:
        return check_blob(row, body) if verified else body

    return StoreLoop(
        Endpoint(url),
        context,
        connections,
        timeout,
        judge or quick_judge(),
        str,
        check,
        work,
        probe=EMPTY_SHA1,
    )


def run(fetcher: Fetcher, names: list[str], results: Results | None = None) -> Results:
    """Returns what has become of each name; all the same they are in `results` after an error."""
    found: Results = {} if results is None else results
    tasks: Tasks = queue.SimpleQueue()
    segment = Segment(0, {})
    for place, name in enumerate(names):
        tasks.put((segment, place, name))

    def done(task: Task, kind: int, payload: bytes) -> None:
        assert task[2] not in found
        found[task[2]] = (kind, payload)
        if len(found) == len(names):
            for _ in range(fetcher.runners):
                tasks.put(None)

    fetcher.run(tasks, done)
    return found
