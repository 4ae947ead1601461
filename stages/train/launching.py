"""The processes that train one model together, and how the one that DVC started looks after them.

`train.processes` starts them on this machine: this module runs as a process of its own, which is
torchrun, and the stage's process waits for it. `torchrun` and `accelerate launch` with
`-m stages.train` do it by hand, over several machines that share a file system too.
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
    """Whether this process is one of several that torchrun or accelerate has started."""
    return "LOCAL_RANK" in os.environ


def train_in_processes(count: int) -> NoReturn:
    """Runs the stage in `count` processes under torchrun and exits as they do.

    They are in a session of their own, so that a signal to this process, or to all that the
    terminal runs, reaches them once: the first asks them to save and stop, a second ends them.

    Raises:
        KeyboardInterrupt: this process was asked to stop, and they have ended.
    """
    options = ["--standalone", f"--nproc-per-node={count}", "-m", "stages.train"]
    command = [sys.executable, "-m", "stages.train.launching", str(os.getpid()), *options]
    sys.stdout.flush()
    process = subprocess.Popen(command, start_new_session=sys.platform != "win32")
    with _passing_on(process) as asked:
        code = process.wait()
    if asked:
        raise KeyboardInterrupt
    sys.exit(code if code >= 0 else 128 - code)  # of a signal, as a shell has it


@contextmanager
def _passing_on(process: "subprocess.Popen[bytes]") -> Iterator[list[int]]:
    """Sends SIGINT and SIGTERM on to a process, and yields the list of those that came."""
    asked: list[int] = []

    def send_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if sys.platform != "win32":  # where Ctrl-C reaches every process of the console
            process.send_signal(number)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, send_on) for number in signals]
    try:
        yield asked
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def main() -> None:
    """Is torchrun, and ends with the process whose id is the first argument."""
    started_by, *options = sys.argv[1:]
    end_with_parent(int(started_by))
    from torch.distributed.run import main as torchrun

    run: Any = torchrun
    run(options)


if __name__ == "__main__":
    main()
