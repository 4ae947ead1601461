"""Starts the processes that train one model together, and supervises them from DVC's process.

`train.processes` starts them on this machine: this module runs torchrun in its own process, and the
stage's process waits for it. To start them by hand, also on several machines that share a file
system, use `torchrun` or `accelerate launch` with `-m stages.train`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from tohum.process import end_with_parent


def is_launched() -> bool:
    """Whether this process is one of several that torchrun or accelerate started."""
    return "LOCAL_RANK" in os.environ


def train_in_processes(count: int) -> NoReturn:
    """Runs the stage in `count` processes under torchrun and exits with their code.

    They have their own session, so a signal to this process, or to everything in the terminal,
    reaches them once: the first asks them to save and stop, a second ends them.

    Raises:
        KeyboardInterrupt: this process was asked to stop, and they have ended.
    """
    options = ["--standalone", f"--nproc-per-node={count}", "-m", "stages.train"]
    command = [sys.executable, "-m", "stages.train.launching", str(os.getpid()), *options]
    sys.stdout.flush()
    process = subprocess.Popen(command, start_new_session=sys.platform != "win32")
    with _passing_on(process) as received:
        code = process.wait()
    if received:
        raise KeyboardInterrupt
    sys.exit(code if code >= 0 else 128 - code)  # for a signal, as in a shell


@contextmanager
def _passing_on(process: "subprocess.Popen[bytes]") -> Iterator[list[int]]:
    """Forwards SIGINT and SIGTERM to a process, and yields the list of those received."""
    received: list[int] = []

    def send_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if sys.platform != "win32":  # there, Ctrl-C reaches every process in the console
            process.send_signal(number)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, send_on) for number in signals]
    try:
        yield received
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def main() -> None:
    """Runs torchrun, and ends when the process whose id is the first argument does."""
    started_by, *options = sys.argv[1:]
    end_with_parent(int(started_by))
    from torch.distributed.run import main as torchrun

    run: Any = torchrun
    run(options)


if __name__ == "__main__":
    main()
