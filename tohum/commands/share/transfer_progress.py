"""Shows a transfer's progress in bytes, with the time left: a bar, or lines in a log."""

import logging
import sys
import time
from types import TracebackType
from typing import Any, Self

from tohum.commands.printing import size_of

LINE_SECONDS = 30.0

log = logging.getLogger(__name__)


class TransferProgress:
    """Shows how many of the bytes have moved; headers make it slightly more than the files.

    `begin` sets the numbers of objects and bytes; before it, nothing is shown.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._bar: Any = None
        self._total = 0
        self._base: int | None = None
        self._started = self._reported = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, objects: int, total: int, moves_by_socket: bool) -> None:
        """Sets the total; bytes are counted in sockets, so not for a local folder."""
        if not objects:
            return
        log.info("%s: %d objects, %s", self.name, objects, size_of(total))
        if not moves_by_socket:
            return
        self._total = total
        self._started = self._reported = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, unit="B", unit_scale=True, desc=self.name, leave=False,
                dynamic_ncols=True,
            )  # fmt: skip

    def moved(self, count: int) -> None:
        """Takes the bytes of the whole process; those before `begin` were for the listing."""
        if not self._total:
            return
        if self._base is None:
            self._base = count
        done = min(count - self._base, self._total)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._reported > LINE_SECONDS:
            self._reported = time.monotonic()
            rate = done / (self._reported - self._started)
            left = f"{(self._total - done) / rate:.0f} s left" if rate else "no answer yet"
            log.info(
                "%s: %s of %s, %s/s, %s",
                self.name, size_of(done), size_of(self._total), size_of(rate), left,
            )  # fmt: skip
