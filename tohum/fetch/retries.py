"""What to do with an answer: take it, try again later, or give the blob up."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tohum.errors import UserError
from tohum.fetch.http_connection import NotConnected, Response, TransportError
from tohum.formats.outcomes import CORRUPT, MISSING

REFUSAL = "refusal"
REFUSED = frozenset({401, 403})
SLOW_DOWN = frozenset({429, 503})
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class Lost(Exception):
    """A blob that cannot be had: `outcome` is `missing` or `corrupt`, `detail` what was seen."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail


@dataclass(frozen=True)
class RetryPolicy:
    """How often each class of error is tried again, and how long between two tries.

    A 404 is final. A 403 on a single key means that it was taken down. A body of the wrong bytes
    may be a damaged transfer. Everything transient waits a random time, growing with the tries
    ("full jitter",
    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    """

    transient_tries: int = 8
    slow_down_tries: int = 32  # says more of the pace than of the blob
    forbidden_tries: int = 3
    corrupt_tries: int = 3
    first_wait: float = 0.5  # seconds, as the following
    longest_wait: float = 30.0
    patience: float = 300.0

    def wait(self, tries: int) -> float:
        """Returns a random number of seconds to wait after `tries` failed tries."""
        return random.uniform(0, min(self.longest_wait, self.first_wait * 2.0 ** min(tries, 64)))


class Throttle:
    """One pause for everybody: after a SlowDown nobody asks until it is over.

    A pause is twice as long as the last one, unless the store has answered `calm` times since: a
    busy store is given time, and one SlowDown among thousands of answers costs next to nothing.
    """

    def __init__(
        self, first_pause: float = 0.1, longest_pause: float = 30.0, calm: int = 50
    ) -> None:
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self.calm = calm
        self.pauses = 0
        self._lock = threading.Lock()
        self._until = 0.0
        self._pause = first_pause
        self._answers = 0

    def left(self) -> float:
        """Returns the seconds that the pause still lasts; 0 when there is none."""
        return max(0.0, self._until - time.monotonic())

    def slow_down(self) -> None:
        """Starts a pause; does nothing while one is on."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return
            self._pause = self.first_pause if self._answers >= self.calm else self._pause
            self._answers = 0
            self.pauses += 1
            self._until = now + self._pause
            self._pause = min(self.longest_pause, 2 * self._pause)

    def succeed(self) -> None:
        """Counts an answer that came after the last pause."""
        if time.monotonic() >= self._until:
            self._answers += 1


@dataclass
class Tries:
    """What has been tried for one blob: all failures, and by kind those that count against it."""

    failures: int = 0
    counted: "Counter[str]" = field(default_factory=Counter)
    first: float = 0.0  # failure, by time.monotonic()
    last: float = field(default_factory=time.monotonic)  # failure; before any, the beginning


class Judge:
    """Judges each answer by the policy; shared by all fetches of a store.

    A failed try counts against a blob only if the store has answered somebody since the try before,
    if need be a probe for something else; when enough of them count, the blob is given up.
    Otherwise the store is what fails: everybody goes on trying, for `patience` seconds, and nothing
    is given up.
    """

    def __init__(self, policy: RetryPolicy, throttle: Throttle) -> None:
        self.policy = policy
        self.throttle = throttle
        self.wants_probe = False
        self._last_answer = float("-inf")

    def judge(
        self,
        tries: Tries,
        answer: Response | TransportError,
        check: Callable[[bytes], bytes],
    ) -> bytes | float:
        """Returns the wanted bytes, or the seconds to wait before the next try.

        Args:
            tries: of this blob so far; counted up.
            check: makes the wanted bytes of a body; a ValueError says that it is the wrong body.

        Raises:
            Lost: the store does not have the blob, or has something else.
            UserError: nothing has come for a long time: the store can't be reached, or refuses.
        """
        policy = self.policy
        if isinstance(answer, TransportError):
            most = math.inf if isinstance(answer, NotConnected) else policy.transient_tries
            return self._failed(tries, MISSING, str(answer), most)
        status = f"HTTP {answer.status}"
        if answer.status == 200:
            self._last_answer = time.monotonic()
            try:
                content = check(answer.body)
            except ValueError as error:
                return self._failed(tries, CORRUPT, str(error), policy.corrupt_tries)
            self.throttle.succeed()
            return content
        if answer.status in TRANSIENT:
            if answer.status not in SLOW_DOWN:
                return self._failed(tries, MISSING, status, policy.transient_tries)
            self.throttle.slow_down()
            return self._failed(tries, MISSING, status, policy.slow_down_tries)
        if answer.status in REFUSED:
            return self._failed(tries, REFUSAL, status, policy.forbidden_tries)
        self._last_answer = time.monotonic()
        raise Lost(MISSING, status)

    def probed(self, answer: Response | TransportError) -> None:
        """Takes note of the answer to a probe."""
        if isinstance(answer, Response) and answer.status not in TRANSIENT | REFUSED:
            self._last_answer = time.monotonic()

    def _failed(self, tries: Tries, kind: str, detail: str, most: float) -> float:
        now = time.monotonic()
        tries.failures += 1
        tries.first = tries.first or now
        answered, tries.last = self._last_answer >= tries.last, now
        if answered:
            tries.counted[kind] += 1
            if (count := tries.counted[kind]) >= most:
                outcome = CORRUPT if kind == CORRUPT else MISSING
                raise Lost(outcome, f"{detail} ({count} times)")
        silence = now - max(self._last_answer, tries.first)
        if silence > self.policy.patience:
            raise UserError(
                f"the store has given nothing for {silence:.0f} s ({detail}). Check the network, "
                "the address of the store and whether it still lets you in, then run `dvc repro` "
                "again: what has been fetched is kept."
            )
        self.wants_probe = True
        return self.policy.wait(tries.failures)
