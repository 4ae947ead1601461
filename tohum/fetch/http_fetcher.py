"""Fetches rows over HTTP, hundreds at once, from one store or from many hosts, in one thread."""

import heapq
import itertools
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tohum.fetch.addresses import base_of, host_of, requested
from tohum.fetch.answers import NotAnAddress, Response, TransportError
from tohum.fetch.handles import Limits
from tohum.fetch.pool import Done, Task, Tasks
from tohum.fetch.retries import (
    Host,
    Hosts,
    Lost,
    NewThrottle,
    RetryPolicy,
    Throttle,
    Tries,
)
from tohum.fetch.transfers import Transfers
from tohum.formats.outcomes import MISSING

LONGEST_WAIT = 0.02  # seconds; new work and retries are checked in between

Answer = Response | TransportError


@dataclass(frozen=True)
class Probe:
    """A test of whether a host answers: a URL, and a check that the answer is the host's."""

    url: str
    check: Callable[[bytes], bytes]


@dataclass(eq=False, slots=True)
class Fetch:
    """A task and its history; without a task, a probe."""

    host: Host
    url: str
    task: Task | None = None
    tries: Tries = field(default_factory=Tries)


class HttpFetcher:
    """Fetches rows by URL.

    Args:
        url: returns a row's URL.
        check: returns the wanted bytes of a row's body. ValueError: it is the wrong body.
        work: makes a row's result, its kind and payload, from its bytes or from why it is lost.
        compressed: request compressed answers; see Transfers.
        probe: for the one host that all rows are on. Without it, a URL that a host has answered
            before, or else its start page, shows whether it still answers.
        throttle: makes the one of a host, given its scheme and authority; by default each has its
            own.
    """

    runners = 1

    def __init__(
        self,
        limits: Limits,
        policy: RetryPolicy,
        url: Callable[[Any], str],
        check: Callable[[Any, bytes], bytes],
        work: Callable[[Any, bytes | Lost], tuple[int, bytes]],
        compressed: bool = False,
        probe: Probe | None = None,
        throttle: NewThrottle | None = None,
    ) -> None:
        self.limits = limits
        self.policy = policy
        self.url = url
        self.check = check
        self.work = work
        self.compressed = compressed
        self.probe = probe
        self.throttle = throttle or (lambda _: Throttle(most=limits.connections))
        self.hosts: dict[str, Host] = {}  # by scheme and authority

    def run(self, tasks: Tasks, done: Done) -> None:
        """Works until None comes among the tasks, and calls `done` with each result.

        Raises:
            UserError: no host can be reached, or the environment's proxy can't be used.
        """
        self._done = done
        self._network = Hosts()
        self._probes: dict[Host, Probe | None] = {}  # those in flight
        self._answering: dict[Host, str] = {}  # a URL that the host has answered
        self._latest: Host | None = None
        self._ready: deque[Fetch] = deque()
        self._held: dict[Host, deque[Fetch]] = {}  # for hosts that must not be asked now
        self._later: list[tuple[float, int, Fetch]] = []
        self._order = itertools.count()
        with Transfers[Fetch](self.limits, self.compressed) as self._transfers:
            while self._take(tasks):
                self._start()
                ended = self._transfers.advance()
                for fetch, answer in ended:
                    fetch.host.asking -= 1
                    self._settle(fetch, answer)
                if not ended:
                    self._transfers.wait(LONGEST_WAIT)
                time.sleep(0)  # hands the interpreter lock to the writer: 6 % more blobs a second

    def rest(self) -> None:
        """Says that there were no tasks for some time; to be called while there are none."""
        for host in self.hosts.values():
            host.rest()

    def _take(self, tasks: Tasks) -> bool:
        """Takes what is new and what is due; returns whether more is to come."""
        while True:  # all of them, so that the None at the end need not wait for a slow host
            try:
                task = tasks.get_nowait()
            except queue.Empty:
                break
            if task is None:
                return False
            try:
                url = requested(self.url(task[2]))
                self._ready.append(Fetch(self._host(url), url, task))
            except NotAnAddress as error:
                self._finish(task, Lost(MISSING, str(error)))
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])  # last: a dead host can wait
        return True

    def _host(self, url: str) -> Host:
        """Returns what is known about a URL's host."""
        base = base_of(url)
        if base not in self.hosts:
            self.hosts[base] = Host(host_of(base), self.policy, self.throttle(base), self._network)
        return self.hosts[base]

    def _start(self) -> None:
        """Starts all requests that can be started."""
        for fetch in self._startable():
            try:
                if fetch.task is not None:
                    fetch.host.check_given_up()
            except Lost as lost:
                assert fetch.task is not None
                self._finish(fetch.task, lost)
                continue
            fetch.host.asking += 1
            self._transfers.start(fetch.url, fetch)

    def _startable(self) -> Iterator[Fetch]:
        for host, held in list(self._held.items()):
            while held and self._transfers.free and _may_start(held[0]):
                yield held.popleft()
            if not held:
                del self._held[host]
        while self._ready and self._transfers.free:
            fetch = self._ready.popleft()
            if _may_start(fetch):
                yield fetch
                continue
            held = self._held.setdefault(fetch.host, deque())
            if fetch.task is None:
                held.appendleft(fetch)  # a probe tells what the others wait for
            else:
                held.append(fetch)

    def _settle(self, fetch: Fetch, answer: Answer) -> None:
        """Hands a result over, or postpones the fetch."""
        host, task = fetch.host, fetch.task
        if task is None:
            probe = self._probes.pop(host)
            host.probed(answer, probe.check if probe else None)
            return
        row = task[2]
        try:
            outcome = host.judge(fetch.tries, answer, lambda body: self.check(row, body))
        except Lost as lost:
            self._finish(task, lost)
            return
        if isinstance(outcome, bytes):
            self._answering[host], self._latest = fetch.url, host
            self._finish(task, outcome)
            return
        due = time.monotonic() + outcome
        heapq.heappush(self._later, (due, next(self._order), fetch))
        if host.wants_probe and host not in self._probes:
            self._probe(host, fetch.url)

    def _finish(self, task: Task, outcome: bytes | Lost) -> None:
        self._done(task, *self.work(task[2], outcome))

    def _probe(self, host: Host, url: str) -> None:
        """Asks a host for what it has answered before, or its start page; if it has never answered,
        another host too, to see whether the network works.
        """
        host.wants_probe = False
        start_page = base_of(url) + "/"
        known = self.probe.url if self.probe else self._answering.get(host, start_page)
        self._ask_probe(host, known)
        if not host.known and self._latest is not None and self._latest not in self._probes:
            self._ask_probe(self._latest, self._answering[self._latest])

    def _ask_probe(self, host: Host, url: str) -> None:
        self._probes[host] = self.probe
        self._ready.appendleft(Fetch(host, url))


def _may_start(fetch: Fetch) -> bool:
    """Whether its host may be asked now; few requests without an answer don't stop a probe."""
    host = fetch.host
    return host.ready if fetch.task is not None else not host.throttle.left()
