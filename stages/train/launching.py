"""Starts the processes that train one model together, and supervises them from DVC's process.

`train.processes` starts them on this machine: this module runs torchrun in its own process, and the
stage's process waits for it. torchrun's own variables spread them over several machines that share
a file system: with `PET_NNODES=4`, `dvc repro` starts a quarter of them here, and `torchrun -m
stages.train` on each other machine the rest (docs/cluster.md).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from tohum.errors import UserError
from tohum.process import end_with_parent

NODES = "PET_NNODES"  # torchrun reads each of its options from PET_<OPTION> too
ENDPOINT = "PET_RDZV_ENDPOINT"


def is_launched() -> bool:
    """Whether this process is one of several that torchrun or accelerate started."""
    return "LOCAL_RANK" in os.environ


def is_to_be_launched(count: int) -> bool:
    """Whether this process has to start those that train: `count` of them, or on several nodes."""
    return not is_launched() and (count > 1 or os.environ.get(NODES, "1") != "1")


def launch_options(count: int) -> list[str]:
    """Returns torchrun's options to start `count` processes here, or this node's share of them.

    Raises:
        UserError: the variables of several nodes contradict `count`, or one is missing.
    """
    given = os.environ.get(NODES, "1")
    if given == "1":
        return ["--standalone", f"--nproc-per-node={count}"]
    if not given.isdecimal() or int(given) == 0:
        raise UserError(f"{NODES} is {given!r}, expected the number of nodes that train together.")
    if count % int(given):
        raise UserError(
            f"train.processes is {count}, expected a multiple of {given}, the nodes in {NODES}: "
            "set it to the number of processes on all nodes together."
        )
    if not os.environ.get(ENDPOINT):
        raise UserError(
            f"{NODES} is {given}, but {ENDPOINT} is not set. Set it to this node's address and a "
            "free port, as in node1:29400, here and on the other nodes."
        )
    return [f"--nproc-per-node={count // int(given)}"]


def train_in_processes(count: int) -> NoReturn:
    """Runs the stage in `count` processes under torchrun and exits with their code.

    They have their own session, so a signal to this process, or to everything in the terminal,
    reaches them once: the first asks them to save and stop, a second ends them.

    Raises:
        KeyboardInterrupt: this process was asked to stop, and they have ended.
        UserError: the nodes can't share the processes.
    """
    options = [*launch_options(count), "-m", "stages.train"]
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
