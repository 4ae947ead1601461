"""One thread that fetches from a content store over hundreds of connections at once."""

import heapq
import itertools
import queue
import selectors
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tohum.fetch.http_connection import (
    Connection,
    ConnectionLost,
    Endpoint,
    NotConnected,
    Response,
    TransportError,
)
from tohum.fetch.pool import Done, Task, Tasks
from tohum.fetch.retries import Judge, Lost, Tries

LONGEST_SELECT = 0.02  # seconds; new work and retries are looked for in between
WATCH_SECONDS = 0.25  # between two looks for connections that stall
DEADLINES = 10  # timeouts that a whole answer may take, so that a trickling body ends too


@dataclass
class Fetch:
    """A task, and what has happened to it."""

    task: Task | None  # None: a probe
    name: str
    tries: Tries = field(default_factory=Tries)


@dataclass(eq=False)
class Slot:
    """A connection, and the fetch that it is busy with."""

    connection: Connection
    file: int
    fetch: Fetch | None = None
    started: float = 0.0
    heard: float = 0.0


class StoreLoop:
    """Fetches rows from one store.

    Args:
        timeout: seconds to wait for the next bytes of an answer.
        name: returns a row's name in the store, its id.
        check: returns the wanted bytes of a row's body; ValueError for a wrong body.
        work: makes the result of a row, its kind and payload, of its bytes or of why it is lost.
        probe: a name that the store has an answer for.
    """

    runners = 1

    def __init__(
        self,
        endpoint: Endpoint,
        context: ssl.SSLContext | None,
        connections: int,
        timeout: float,
        judge: Judge,
        name: Callable[[Any], str],
        check: Callable[[Any, bytes], bytes],
        work: Callable[[Any, bytes | Lost], tuple[int, bytes]],
        probe: str,
    ) -> None:
        self.endpoint = endpoint
        self.context = context
        self.connections = connections
        self.timeout = timeout
        self.judge = judge
        self.name = name
        self.check = check
        self.work = work
        self.probe = probe

    def run(self, tasks: Tasks, done: Done) -> None:
        """Works until None comes among the tasks, and calls `done` with each result.

        Raises:
            UserError: the store can't be reached.
        """
        self._selector = selectors.DefaultSelector()
        self._slots: set[Slot] = set()
        self._idle: list[Slot] = []
        self._ready: deque[Fetch] = deque()
        self._later: list[tuple[float, int, Fetch]] = []
        self._order = itertools.count()
        self._probing = False
        self._done = done
        watched = time.monotonic()
        try:
            while self._take(tasks):
                for key, _ in self._selector.select(LONGEST_SELECT):
                    self._advance(key.data)
                if (now := time.monotonic()) - watched > WATCH_SECONDS:
                    watched = now
                    self._watch(now)
        finally:
            for slot in self._slots:
                slot.connection.close()
            self._selector.close()

    def _take(self, tasks: Tasks) -> bool:
        """Starts what can be started; returns whether there is more to come."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.appendleft(heapq.heappop(self._later)[2])
        while True:  # all of them, for the None at their end is not to wait for a slow store
            try:
                task = tasks.get_nowait()
            except queue.Empty:
                break
            if task is None:
                return False
            self._ready.append(Fetch(task, self.name(task[2])))
        if self.judge.wants_probe and not self._probing:
            self.judge.wants_probe, self._probing = False, True
            self._ready.appendleft(Fetch(None, self.probe))
        while self._ready and not self.judge.throttle.left():
            if self._idle:
                self._ask(self._idle.pop(), self._ready.popleft())
            elif len(self._slots) < self.connections:
                self._connect(self._ready.popleft())
            else:
                break
        return True

    def _connect(self, fetch: Fetch) -> None:
        try:
            connection = Connection(self.endpoint, self.context)
        except (TransportError, OSError) as error:
            self._settle(fetch, NotConnected(str(error)))
            return
        slot = Slot(connection, connection.socket.fileno())
        self._slots.add(slot)
        self._selector.register(slot.file, connection.waits_for, slot)
        self._ask(slot, fetch)

    def _ask(self, slot: Slot, fetch: Fetch) -> None:
        slot.fetch = fetch
        slot.started = slot.heard = time.monotonic()
        try:
            slot.connection.ask(fetch.name)
        except TransportError as error:
            self._break(slot, error)

    def _advance(self, slot: Slot) -> None:
        """Goes on with a connection that is ready."""
        if slot.fetch is None:  # the server closed it while it was idle
            self._idle.remove(slot)
            self._close(slot)
            return
        waited_for = slot.connection.waits_for
        try:
            answer = slot.connection.advance()
        except TransportError as error:
            self._break(slot, error)
            return
        slot.heard = time.monotonic()
        if slot.connection.waits_for != waited_for:
            self._selector.modify(slot.file, slot.connection.waits_for, slot)
        if answer is None:
            return
        fetch, slot.fetch = slot.fetch, None
        if answer.closes:
            self._close(slot)
        elif self._ready and not self.judge.throttle.left():
            self._ask(slot, self._ready.popleft())
        else:
            self._idle.append(slot)
        self._settle(fetch, answer)

    def _break(self, slot: Slot, error: TransportError) -> None:
        """Closes a connection that failed, and sees what becomes of its fetch."""
        fetch = slot.fetch
        stale = isinstance(error, ConnectionLost) and slot.connection.answers > 0
        if slot.connection.opening:
            error = NotConnected(str(error))
        self._close(slot)
        if fetch is None:
            return
        if not stale:
            self._settle(fetch, error)
        elif self.judge.throttle.left():
            self._ready.appendleft(fetch)
        else:
            self._connect(fetch)  # the other idle connections may be closed as well

    def _settle(self, fetch: Fetch, answer: Response | TransportError) -> None:
        """Hands a result over, or puts the fetch off."""
        if fetch.task is None:
            self._probing = False
            self.judge.probed(answer)
            return
        row = fetch.task[2]
        outcome: bytes | float | Lost
        try:
            outcome = self.judge.judge(fetch.tries, answer, lambda body: self.check(row, body))
        except Lost as lost:
            outcome = lost
        if isinstance(outcome, float):
            due = time.monotonic() + outcome
            heapq.heappush(self._later, (due, next(self._order), fetch))
        else:
            self._done(fetch.task, *self.work(row, outcome))

    def _watch(self, now: float) -> None:
        """Breaks connections whose answer has stalled, or takes too long as a whole."""
        for slot in [slot for slot in self._slots if slot.fetch is not None]:
            if now - slot.heard > self.timeout:
                self._break(slot, TransportError(f"nothing came for {self.timeout:g} s"))
            elif now - slot.started > DEADLINES * self.timeout:
                seconds = DEADLINES * self.timeout
                self._break(slot, TransportError(f"the answer took longer than {seconds:g} s"))

    def _close(self, slot: Slot) -> None:
        self._selector.unregister(slot.file)
        self._slots.remove(slot)
        slot.connection.close()
