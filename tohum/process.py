"""Runs a stage or command as a process: it logs, ends with its parent, and fails in plain words.

A killed `dvc` leaves its child running, and that orphan would keep writing while the next run
starts. So a stage ends with its parent: by the kernel's signal on Linux, by watching the parent
elsewhere.
"""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import psutil

from tohum.errors import UserError
from tohum.project import enter_project
from tohum.shortages import told_shortage
from tohum.streams import flush, set_up_streams, until_reader_leaves
from tohum.translation import set_up_logging

PR_SET_PDEATHSIG = 1  # prctl(2)
PARENT_POLL_SECONDS = 1.0
SPINS = "10000"  # about 0.03 ms
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT_BLOCK, KEPT_MEMORY = 1 << 30, (1 << 31) - 1  # bytes

log = logging.getLogger(__name__)


def run_stage(name: str, work: Callable[[], None]) -> None:
    """Runs `work` as the process of stage `name`, in the root of the project, and exits."""
    end_with_parent()
    set_up_streams()

    def run_in_root() -> None:
        enter_project()
        work()

    sys.exit(until_reader_leaves(lambda: exit_code(name, run_in_root, "`dvc repro`")))


def exit_code(name: str, work: Callable[[], int | None], resume: str) -> int:
    """Runs `work` and returns the exit code: its own, or 0 for None; 1 after a UserError, 130 if it
    was interrupted.

    A full disk and too little memory count as a UserError. Anything else is a defect and keeps its
    traceback.

    Args:
        name: the start of each line of the log.
        work: what to run.
        resume: the command that resumes the work, for messages.
    """
    set_up_logging(logging.INFO, f"{name}: %(message)s")
    for library in ("httpx", "httpx2", "filelock", "urllib3"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        code = work() or 0
        flush()
        return code
    except UserError as error:
        log.error("error: %s", error)
        return 1
    except KeyboardInterrupt:
        log.info("interrupted; run %s to resume", resume)
        return 130
    except Exception as error:
        told = told_shortage(error, resume)
        if told is None:
            raise
        log.error("error: %s", told)
        return 1


def end_with_parent(started_by: int | None = None) -> None:
    """Makes this process end when the one that started it does, however that happens.

    A process that takes a while to get here should pass `started_by`, the id of the process that
    started it: it may have another parent by now.
    """
    parent = os.getppid() if started_by is None else started_by
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the kernel watched it
            os._exit(1)
        return
    if started_by is not None and not psutil.pid_exists(started_by):
        os._exit(1)
    watched = psutil.Process().parent()
    threading.Thread(target=_watch, args=(watched,), name="parent-watch", daemon=True).start()


def _watch(parent: psutil.Process | None) -> None:
    while parent is not None and parent.is_running():
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(1)


def share_processor() -> None:
    """Makes PyTorch's threads yield their core soon when they wait for one another.

    GNU's OpenMP spins 300,000 times first. That is 3 % faster on an idle machine, but three times
    as slow with one other busy program on two cores. Must be called before torch is loaded.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def keep_freed_memory() -> bool:
    """Makes glibc keep what is freed for what is allocated next, blocks of up to 1 GB too; returns
    whether it does.

    It would give large blocks back to the system, which zeroes them when they are allocated again:
    5 % of a training step, which allocates the same blocks as the one before.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    # an older glibc refuses the first; the second alone would have it return every large block
    if mallopt is None or not mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY))
