"""Decides what to do with an answer: take it, try again later, or give the blob up."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tohum.errors import UserError
from tohum.fetch.answers import (
    EndlessRedirects,
    NotConnected,
    Response,
    TooLarge,
    TransportError,
)
from tohum.formats.outcomes import CORRUPT, MISSING, UNREACHABLE

REFUSED = "refused"
NOT_THERE = frozenset({404, 410, 451})  # from elsewhere: may be a network's page for logging in
FORBIDDEN = 403  # for one key: taken down; for all: the store lets nobody in
SLOW_DOWN = frozenset({429, 503})
FIRST_REQUESTS = 8  # simultaneous, to a host that has not answered yet, or does no longer
MOST_FAILURES = 16  # in a row, of a silent host; one that fails 9 in 10 seldom has so many
MOST_REQUESTS = 384  # at a time to a host, unless told otherwise
LEAST_ANSWERED = 0.25  # answers for each refusal; below, the host refuses nearly everything
FEW_REFUSED = 0.1  # of the requests: what a busy host refuses whatever one does
SHRINK = 0.7  # of the requests at a time, where more are refused
GROWTH = 1 / 16  # more at a time, for each round of answers: 1.5 a second at 40 ms


class Lost(Exception):
    """A blob that cannot be fetched: `outcome` is `missing`, `corrupt` or `unreachable`.

    `detail` is what was seen. An unreachable blob may not be missing: another run asks for it
    again.
    """

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail


@dataclass(frozen=True)
class RetryPolicy:
    """How often each class of error is retried, and how long to wait in between.

    A body with the wrong bytes may be a damaged transfer. Each retry waits a random time that grows
    with the number of tries ("full jitter",
    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    """

    tries: int = 8  # after a broken answer, or a status that says nothing about the blob
    network_tries: int = 32  # says more about the network than about the blob
    slow_down_tries: int = 32  # says more about the pace
    forbidden_tries: int = 3
    corrupt_tries: int = 3
    redirect_tries: int = 3  # without an end; each costs MOST_REDIRECTS requests more
    large_tries: int = 2  # each may cost runtime.largest_blob_bytes
    first_wait: float = 0.5  # seconds, as are the following
    longest_wait: float = 30.0
    patience: float = 300.0

    def wait(self, tries: int) -> float:
        """Returns a random number of seconds to wait after `tries` failed tries."""
        return random.uniform(0, min(self.longest_wait, self.first_wait * 2.0 ** min(tries, 64)))


class Throttle:
    """One pause for all requests to a host: after a SlowDown, none is sent until it is over.

    A pause is twice as long as the last one if the host has refused nearly everything lately, else
    half as long: a busy host gets time, and one SlowDown among ten answers costs little.

    `most` is how many requests may wait for an answer at a time. A pause after which many were
    refused lowers it, and answers raise it again. Without that, all requests would follow at once
    on every pause, and a host that limits its connections, or allows small bursts only, would
    refuse them again.

    Args:
        first_pause: seconds; also the shortest.
        longest_pause: seconds.
        most: requests at a time, before any pause.
    """

    def __init__(
        self, first_pause: float = 0.1, longest_pause: float = 30.0, most: int = MOST_REQUESTS
    ) -> None:
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self.most: float = most
        self.pauses = 0
        self._limit = most
        self._until = 0.0
        self._pause = first_pause / 2  # the last one
        self._answers = 0.0  # and refusals, those before the last pauses counting less
        self._refusals = 0.0

    def left(self) -> float:
        """Returns the remaining seconds of the pause; 0 if there is none."""
        return max(0.0, self._until - time.monotonic())

    def slow_down(self) -> None:
        """Starts a pause; does nothing during one."""
        self._refusals += 1
        if time.monotonic() >= self._until:
            self._begin(*self._next())

    def _next(self) -> tuple[float, float]:
        """Returns the seconds of the next pause, and the share of the requests that stays."""
        if self._answers < LEAST_ANSWERED * self._refusals:
            seconds = min(self.longest_pause, 2 * self._pause)
        else:
            seconds = max(self.first_pause, self._pause / 2)
        few = self._refusals <= FEW_REFUSED * (self._refusals + self._answers)
        return seconds, 1.0 if few else SHRINK

    def _begin(self, seconds: float, stays: float) -> None:
        self._pause = seconds
        self._until = max(self._until, time.monotonic() + seconds)
        self.pauses += 1
        self.most = max(1.0, self.most * stays)
        self._refusals /= 2
        self._answers /= 2

    def hold(self, seconds: float) -> None:
        """Starts a pause of so many seconds, at least the first one; does nothing during one."""
        if not self.left():
            self._until = time.monotonic() + max(self.first_pause, seconds)

    def succeed(self) -> None:
        """Counts an answer."""
        self._answers += 1
        self.most = min(self._limit, self.most + GROWTH / self.most)


NewThrottle = Callable[[str], Throttle]  # given the scheme and authority of a host


@dataclass(slots=True)
class Tries:
    """The tries for one blob: all failures, and by kind those that count against it."""

    failures: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    last: float = field(default_factory=time.monotonic)  # failure; before any, the start


class Hosts:
    """All hosts together: when one of them last answered."""

    def __init__(self) -> None:
        self.last_answer = -math.inf


class Host:
    """One host: whether it answers and how fast it may be asked. Judges its answers by the policy.

    A failed try counts against a blob only if the host has answered something since the try before,
    if need be a probe; after enough of these, the blob is given up. Otherwise it is the host that
    fails: its rows are retried for `patience` seconds. Then they are unreachable if other hosts
    answer, and the network is down if none does. A host that has never answered gets the usual
    number of tries while others answer.

    Not thread-safe: one thread asks.
    """

    def __init__(self, name: str, policy: RetryPolicy, throttle: Throttle, network: Hosts) -> None:
        self.name = name
        self.policy = policy
        self.throttle = throttle
        self.network = network
        self.wants_probe = False
        self.asking = 0  # requests in flight
        self._last_answer = -math.inf
        self._silent_since: float | None = None  # the first failure after the last answer
        self._failures = 0  # since then
        self._gone = ""  # what was seen when the host was given up
        self._gone_until = -math.inf

    @property
    def known(self) -> bool:
        """Whether it has answered."""
        return self._last_answer > -math.inf

    @property
    def ready(self) -> bool:
        """Whether it may be asked now."""
        answers = self.known and self._failures < MOST_FAILURES
        most = self.throttle.most if answers else min(FIRST_REQUESTS, self.throttle.most)
        return self.asking < most and not self.throttle.left()

    def rest(self) -> None:
        """Forgets since when it has been silent: for some time nobody has asked."""
        self._silent_since = None

    def check_given_up(self) -> None:
        """Spares a given-up host further requests for `patience` seconds.

        Raises:
            Lost: nothing can be fetched from it now.
        """
        if self._gone and time.monotonic() < self._gone_until:
            raise Lost(UNREACHABLE, self._gone)

    def judge(
        self, tries: Tries, answer: Response | TransportError, check: Callable[[bytes], bytes]
    ) -> bytes | float:
        """Returns the wanted bytes, or the seconds to wait before the next try.

        Args:
            tries: this blob's so far; incremented.
            check: makes the wanted bytes from a body. ValueError: it is the wrong body. TooLarge:
                this can't be decided.

        Raises:
            Lost: the host does not have the blob, has something else, or does not say.
            UserError: nothing has come for a long time: no host can be reached, or they refuse.
        """
        policy = self.policy
        if isinstance(answer, TooLarge):
            self._answered()  # more than enough came, so the host is up
            return self._failed(tries, "size", str(answer), policy.large_tries)
        if isinstance(answer, NotConnected):
            most = policy.network_tries if self.known else policy.tries
            return self._failed(tries, "network", str(answer), most)
        if isinstance(answer, EndlessRedirects):
            return self._failed(tries, "redirects", str(answer), policy.redirect_tries)
        if isinstance(answer, TransportError):
            return self._failed(tries, "transport", str(answer), policy.tries)
        status = f"HTTP {answer.status}"
        if answer.status == 200:
            try:
                content = check(answer.body)
            except ValueError as error:
                return self._failed(tries, CORRUPT, str(error), policy.corrupt_tries)
            except TooLarge as error:
                self._answered()
                return self._failed(tries, "size", str(error), policy.large_tries)
            self._answered()
            self.throttle.succeed()
            return content
        if answer.status in NOT_THERE and not answer.elsewhere:
            self._answered()
            raise Lost(MISSING, status)
        if answer.status == FORBIDDEN or answer.status in NOT_THERE:
            return self._failed(tries, REFUSED, status, policy.forbidden_tries)
        if answer.status not in SLOW_DOWN:
            return self._failed(tries, "status", status, policy.tries)
        self.throttle.slow_down()
        return self._failed(tries, "pace", status, policy.slow_down_tries)

    def probed(
        self, answer: Response | TransportError, check: Callable[[bytes], bytes] | None = None
    ) -> None:
        """Records the answer to a probe; `check` says whether its body is the right one."""
        if not isinstance(answer, Response):
            return
        if answer.status == 200 and check is not None:
            try:
                check(answer.body)
            except (ValueError, TooLarge):
                return
        if answer.status == 200 or (answer.status in NOT_THERE and not answer.elsewhere):
            self._answered()

    def _answered(self) -> None:
        self._last_answer = self.network.last_answer = time.monotonic()
        self._silent_since = None
        self._failures = 0
        self._gone = ""

    def _failed(self, tries: Tries, kind: str, detail: str, most: int) -> float:
        now = time.monotonic()
        tries.failures += 1
        if self._silent_since is None:
            self._silent_since = now
        before, tries.last = tries.last, now
        answered = self._last_answer if self.known else self.network.last_answer
        if answered >= before:
            count = tries.counted[kind] = tries.counted.get(kind, 0) + 1
            if count >= most:
                raise self._given_up(kind, f"{detail} ({count} times)")
        self._failures += 1
        silence = now - self._silent_since
        left = self.policy.patience - silence
        if self._failures >= MOST_FAILURES and left > 0:
            self.throttle.hold(min(silence / 2, self.policy.longest_wait, left))
        if left < 0:
            detail = f"{self.name} has given nothing for {silence:.0f} s ({detail})"
            if self.network.last_answer >= self._silent_since:  # it was another host's
                raise self._given_up("silence", detail)
            raise UserError(
                f"{detail}. Check the network, the address and whether the server still lets you "
                "in, then run `dvc repro` again: what has been fetched is kept."
            )
        self.wants_probe = True
        return self.policy.wait(tries.failures)

    def _given_up(self, kind: str, detail: str) -> Lost:
        if kind == "silence" or not self.known:
            self._gone, self._gone_until = detail, time.monotonic() + self.policy.patience
            return Lost(UNREACHABLE, detail)
        return Lost({CORRUPT: CORRUPT, REFUSED: MISSING}.get(kind, UNREACHABLE), detail)
