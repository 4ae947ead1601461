"""Tasks for the tests of clusters: in a module, so that other processes find them, and one that
imports little, as every worker does it.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.processes import PATIENCE
from tohum.cluster import Advance, StageTasks, Task, Work
from tohum.cluster.node import Site
from tohum.errors import UserError


def job(folder: Path, setup: Any = None, **values: Any) -> StageTasks:
    """A job whose tasks are numbers or what is written in them."""
    return StageTasks("pretokens", folder, start, setup, 100_000_000, **values)


def start(setup: Any) -> Work:
    """Returns what does the tasks below; `setup` is a folder that they share."""

    def work(value: Any, advance: Advance) -> Any:
        advance(10)
        if isinstance(value, tuple):
            kind, name = value
            return KINDS[kind](Path(setup), name)
        return value * value if isinstance(value, int) else len(value)

    return work


def kills_its_process_once(folder: Path, name: str) -> str:
    marker = folder / f"{name}.killed"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def kills_its_process(folder: Path, name: str) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return name


def fails(folder: Path, name: str) -> str:
    raise UserError(f"{name} is not what it should be.")


def fills_the_disk(folder: Path, name: str) -> str:
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    return name


def waits(folder: Path, name: str) -> str:
    """Says where it is, and ends when the file `go` is there."""
    import ray

    addresses: Any = ray.util
    ip: str = addresses.get_node_ip_address()
    (folder / f"{name}.at").write_text(ip)
    until = time.monotonic() + PATIENCE
    while not (folder / "go").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return ip


def pid(folder: Path, name: str) -> int:
    return os.getpid()


KINDS = {
    function.__name__: function
    for function in (
        kills_its_process_once,
        kills_its_process,
        fails,
        fills_the_disk,
        waits,
        pid,
    )
}


def numbered(values: list[Any]) -> list[Task]:
    return [Task(f"shard {number}", value) for number, value in enumerate(values)]


def dies_when_first_asked(site: Site) -> str | None:
    """What a node answers, though the process that is asked first is killed."""
    with suppress(FileExistsError):
        Path(site.shared, "asked").open("x").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return None
