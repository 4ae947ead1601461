"""Runs a fetcher on names until each has a result, with policies of milliseconds."""

import queue
from typing import Any

from tohum.fetch.addresses import StoreAddress
from tohum.fetch.handles import Limits
from tohum.fetch.http_fetcher import HttpFetcher, Probe
from tohum.fetch.pool import Fetcher, Segment, Task, Tasks
from tohum.fetch.retries import Lost, RetryPolicy, Throttle
from tohum.fetch.store import EMPTY_SHA1, check_blob

FOUND, LOST = 0, 1
QUICK = RetryPolicy(first_wait=0.005, longest_wait=0.02, patience=3)
LARGEST = 5_000_000

Results = dict[str, tuple[int, bytes]]


def result(row: Any, content: bytes | Lost) -> tuple[int, bytes]:
    """The work of these tests."""
    return (LOST, str(content).encode()) if isinstance(content, Lost) else (FOUND, content)


def quick_throttle(_host: str = "") -> Throttle:
    return Throttle(0.02, 0.1)


def store_fetcher(
    url: str,
    connections: int = 8,
    timeout: float = 1,
    policy: RetryPolicy = QUICK,
    verified: bool = True,
    work: Any = result,
    throttle: Any = quick_throttle,
    largest: int = LARGEST,
) -> HttpFetcher:
    """A fetcher whose rows are names in a store; not `verified`, it takes any body."""
    address = StoreAddress(url)

    def check(row: Any, body: bytes) -> bytes:
        return check_blob(row, body, largest) if verified else body

    def check_probe(body: bytes) -> bytes:
        return check(EMPTY_SHA1, body)

    return HttpFetcher(
        Limits(connections, timeout, largest),
        policy,
        address.url,
        check,
        work,
        probe=Probe(address.url(EMPTY_SHA1), check_probe),
        throttle=throttle,
    )


def url_fetcher(
    connections: int = 8,
    timeout: float = 1,
    policy: RetryPolicy = QUICK,
    check: Any = lambda row, body: body,
    largest: int = LARGEST,
) -> HttpFetcher:
    """A fetcher whose rows are URLs."""
    limits = Limits(connections, timeout, largest)
    return HttpFetcher(limits, policy, str, check, result, compressed=True, throttle=quick_throttle)


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
