"""The worker as a child process: its events, its end, and when to give it up."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

IDLE_CPU = 0.02  # of a core: hashing and copying use more, waiting for a dead line less
END_SECONDS = 10.0


class Watch:
    """Tracks for how long no byte has moved and no CPU time was used."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._bytes, self._cpu, self._since = -1, 0.0, time.monotonic()

    def seen(self, moved: int, cpu: float) -> None:
        """Takes the bytes moved and the CPU seconds used since the worker started."""
        passed = time.monotonic() - self._since
        if moved != self._bytes or cpu - self._cpu > IDLE_CPU * max(1.0, passed):
            self._bytes, self._cpu, self._since = moved, cpu, time.monotonic()

    def is_stalled(self) -> bool:
        """Whether it has been idle for too long."""
        return time.monotonic() - self._since > self.seconds


def events(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any] | None]:
    """Yields the worker's events until it ends, and None about once a second."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, name="events", daemon=True).start()
    asked = time.monotonic()
    while True:
        with suppress(queue.Empty):
            line = lines.get(timeout=1)
            if line is None:
                return
            with suppress(ValueError):  # a line truncated by a kill
                yield json.loads(line)
        if time.monotonic() - asked >= 1:
            asked = time.monotonic()
            yield None


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Leaves no worker behind; on Ctrl-C the terminal signals both, and DVC cleans up first."""
    try:
        yield
    except KeyboardInterrupt:
        if sys.platform != "win32":
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        raise
    finally:
        end(process)


def end(process: "subprocess.Popen[str]") -> None:
    """Ends the worker, and what it has started."""
    if process.poll() is not None:
        return
    import psutil

    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()
