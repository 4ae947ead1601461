"""Processes that tests wait for and end."""

from contextlib import suppress

import psutil

PATIENCE = 600  # seconds for what takes seconds alone: other programs may have the cores


def kill_tree(pid: int) -> None:
    """Kills a process and all that it started, and waits until they are gone."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)
