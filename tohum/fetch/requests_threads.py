"""Threads that fetch through `requests`: any server, redirects and proxies included."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import requests
from requests.exceptions import InvalidProxyURL, InvalidURL, MissingSchema

from tohum.fetch.http_connection import Response, TransportError
from tohum.fetch.pool import Done, Tasks
from tohum.fetch.retries import Judge, Lost, Tries
from tohum.formats.outcomes import MISSING


class RequestsThreads:
    """Fetches rows by URL, a session in each thread. The arguments are those of StoreLoop."""

    def __init__(
        self,
        connections: int,
        timeout: float,
        judge: Judge,
        url: Callable[[Any], str],
        check: Callable[[Any, bytes], bytes],
        work: Callable[[Any, bytes | Lost], tuple[int, bytes]],
    ) -> None:
        self.runners = connections
        self.timeout = timeout
        self.judge = judge
        self.url = url
        self.check = check
        self.work = work
        self._answering: str | None = None  # a URL that has answered: one dead host is no outage

    def run(self, tasks: Tasks, done: Done) -> None:
        """Works until None comes among the tasks, and calls `done` with each result.

        Raises:
            UserError: the servers can't be reached.
        """
        with requests.Session() as session:
            while (task := tasks.get()) is not None:
                row = task[2]
                try:
                    result = self.work(row, self._fetch(session, row))
                except Lost as lost:
                    result = self.work(row, lost)
                done(task, *result)

    def _fetch(self, session: requests.Session, row: Any) -> bytes:
        tries = Tries()
        while True:
            while left := self.judge.throttle.left():
                time.sleep(left)
            outcome = self.judge.judge(
                tries, self._ask(session, self.url(row)), lambda body: self.check(row, body)
            )
            if isinstance(outcome, bytes):
                self._answering = self.url(row)
                return outcome
            if self.judge.wants_probe:
                self.judge.wants_probe = False
                probe = self._answering or urljoin(self.url(row), "/")
                self.judge.probed(self._ask(session, probe))
            time.sleep(outcome)

    def _ask(self, session: requests.Session, url: str) -> Response | TransportError:
        try:
            answer = session.get(url, timeout=self.timeout)
        except requests.RequestException as error:
            no_url = isinstance(error, InvalidURL | MissingSchema)
            if no_url and not isinstance(error, InvalidProxyURL):
                raise Lost(MISSING, str(error)) from None
            return TransportError(str(error))
        return Response(answer.status_code, answer.content)
