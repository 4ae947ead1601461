"""One throttle for all processes that ask a host: those of a cluster's nodes share their pauses.

Each pause is written to a small file on their file system: its seconds and a number of its own, but
no time, since the nodes' clocks differ. A process that finds a number that is new to it pauses for
as long. It opens the file each time: NFS answers a stat from a cache for seconds.
"""

import hashlib
import secrets
import time
from pathlib import Path

from tohum.fetch.retries import NewThrottle, Throttle
from tohum.files import partial_path

READ_SECONDS = 0.1  # between two looks at the file
MOST_REQUESTS = 384
LEAST_ANSWERED = 0.25  # answers for each refusal; below, the host refuses nearly everything
SHRINK = 0.7  # of the requests at a time, at each pause
GROWTH = 1 / 16  # more at a time, for each round of answers: 1.5 a second at 40 ms


class SharedThrottle(Throttle):
    """A throttle whose pauses are also those of all others on the same file.

    Each process sees a part of the answers. So it is not what came since the last pause that
    decides on the next one's length, but the share of its own requests that the host has refused
    lately: a pause is twice as long as the last one if these are nearly all, else half as long.

    After each pause, all have fewer requests at a time, and more again as answers come. Without
    that, all requests of all nodes would follow at once on every pause, and a store that limits the
    number of connections, or has a small allowance for bursts, would refuse them again.

    Args:
        path: the file. What it has when the throttle is made is over.
        every: seconds between two looks at it.
        most: requests at a time, before any pause.
    """

    def __init__(
        self,
        path: Path,
        every: float = READ_SECONDS,
        most: int = MOST_REQUESTS,
        first_pause: float = 0.1,
        longest_pause: float = 30.0,
    ) -> None:
        super().__init__(first_pause, longest_pause)
        self.path = path
        self.every = every
        self.most: float = most
        self._limit = most
        self._refusals = 0.0
        self._counted = 0.0  # answers
        self._read_at = time.monotonic()
        self._number, _ = self._read()

    def _read(self) -> tuple[str, float]:
        try:
            number, seconds = self.path.read_text().split()
            return number, float(seconds)
        except (OSError, ValueError):  # none yet, or one that is being replaced
            return "", 0.0

    def _join(self) -> None:
        """Takes part in a pause that another process has begun."""
        self._read_at = time.monotonic()
        number, seconds = self._read()
        if number and number != self._number:
            self._number, self._pause = number, seconds
            self._begin()

    def _begin(self) -> None:
        self._until = max(self._until, time.monotonic() + self._pause)
        self.pauses += 1
        self._refusals /= 2  # what is long ago counts for less
        self._counted /= 2
        self.most = max(1.0, self.most * SHRINK)

    def left(self) -> float:
        """Returns the remaining seconds of the pause; 0 if there is none."""
        if time.monotonic() - self._read_at >= self.every:
            self._join()
        return super().left()

    def slow_down(self) -> None:
        """Starts a pause for all; does nothing during one."""
        self._refusals += 1
        if time.monotonic() < self._until:
            return
        self._join()
        if time.monotonic() < self._until:
            return
        if self._counted < LEAST_ANSWERED * self._refusals:
            self._pause = min(self.longest_pause, 2 * self._pause)
        else:
            self._pause = max(self.first_pause, self._pause / 2)
        self._number = secrets.token_hex(8)
        partial = partial_path(self.path)
        partial.write_text(f"{self._number} {self._pause}")
        partial.replace(self.path)
        self._begin()

    def succeed(self) -> None:
        """Counts an answer."""
        self._counted += 1
        self.most = min(self._limit, self.most + GROWTH / self.most)


def shared_throttles(folder: Path, every: float, most: int) -> NewThrottle:
    """Returns what makes the throttle of a host, one file in `folder` for each."""
    folder.mkdir(parents=True, exist_ok=True)

    def throttle(host: str) -> Throttle:
        return SharedThrottle(folder / hashlib.sha256(host.encode()).hexdigest()[:32], every, most)

    return throttle
