"""One throttle for all processes that ask a host: those of a cluster's nodes share their pauses.

Each pause is written to a small file on their file system: a number of its own, its seconds, and
the share of the requests that stays; but no time, since the nodes' clocks differ. A process that
finds a number that is new to it pauses for as long. It opens the file each time: NFS answers a stat
from a cache for seconds.
"""

import hashlib
import secrets
import time
from pathlib import Path

from tohum.fetch.retries import MOST_REQUESTS, NewThrottle, Throttle
from tohum.files import partial_path

READ_SECONDS = 0.1  # between two looks at the file


class SharedThrottle(Throttle):
    """A throttle whose pauses are also those of all others on the same file.

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
        super().__init__(first_pause, longest_pause, most)
        self.path = path
        self.every = every
        self._read_at = time.monotonic()
        self._number, *_ = self._read()

    def _read(self) -> tuple[str, float, float]:
        try:
            number, seconds, stays = self.path.read_text().split()
            return number, float(seconds), float(stays)
        except (OSError, ValueError):  # none yet, or one that is being replaced
            return "", 0.0, 1.0

    def _join(self) -> None:
        """Takes part in a pause that another process has begun."""
        self._read_at = time.monotonic()
        number, seconds, stays = self._read()
        if number and number != self._number:
            self._number = number
            self._begin(seconds, stays)

    def left(self) -> float:
        """Returns the remaining seconds of the pause; 0 if there is none."""
        if time.monotonic() - self._read_at >= self.every:
            self._join()
        return super().left()

    def slow_down(self) -> None:
        """Starts a pause for all; does nothing during one."""
        if time.monotonic() >= self._until:
            self._join()
        super().slow_down()

    def _next(self) -> tuple[float, float]:
        seconds, stays = super()._next()
        self._number = secrets.token_hex(8)
        partial = partial_path(self.path)
        partial.write_text(f"{self._number} {seconds} {stays}")
        partial.replace(self.path)
        return seconds, stays


def shared_throttles(folder: Path, every: float, most: int) -> NewThrottle:
    """Returns what makes the throttle of a host, one file in `folder` for each."""
    folder.mkdir(parents=True, exist_ok=True)

    def throttle(host: str) -> Throttle:
        return SharedThrottle(folder / hashlib.sha256(host.encode()).hexdigest()[:32], every, most)

    return throttle
