"""A Ray cluster on loopback: every node is a raylet of its own with an address and a few cores.

The nodes' ports are the system's choice. Only who has the cluster's token may use it, which is made
for each cluster. The nodes end with the process that started them, however that ends.
"""

import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.processes import kill_tree
from tohum.dependencies import PROJECT

INSTALLED = importlib.util.find_spec("ray") is not None and sys.platform == "linux"
START_SECONDS = 240.0  # it takes five, and others may have the cores
STORE_BYTES = 80_000_000
MEMORY_BYTES = 8_000_000_000  # that a node says it has
WORKERS = ("ray::do_task", "ray::problem_here", "ray::IDLE")  # their titles
# `ray start`, which ends with its parent; what it starts ends with it, as Ray itself sees to.
START = """
import runpy, sys
from tohum.process import end_with_parent

end_with_parent(int(sys.argv.pop(1)))
runpy.run_module("ray.scripts.scripts", run_name="__main__", alter_sys=True)
"""
TRIES = 3  # Ray itself gives a raylet 30 s, whatever else the machine does


class RayNodes:
    """A head without cores and the nodes that were added; a context manager that ends them all."""

    def __init__(self, head_cores: int = 0) -> None:
        # Ray's sockets have their paths in it, of at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_worker_niceness": "0",  # with Ray's 15, whatever else runs has the cores
            "PYTHONPATH": str(PROJECT),  # the tests' own tasks are not installed
        }
        self.environment.pop("RAY_ADDRESS", None)
        self.started: list[subprocess.Popen[bytes]] = []
        self.address = f"127.0.0.2:{_free_port('127.0.0.2')}"
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        self.head_cores = head_cores

    def __enter__(self) -> "RayNodes":
        try:
            port = self.address.rpartition(":")[2]
            self._start("127.0.0.2", self.head_cores, ["--head", f"--port={port}"], ())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.started):
            kill_tree(process.pid)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, cores: int = 1, wrapper: Sequence[str] = ()) -> str:
        """Starts a node with so many cores, as the command `wrapper` runs it, and returns its
        address.
        """
        ip = f"127.0.0.{3 + len(self.started)}"
        self._start(ip, cores, [f"--address={self.address}"], wrapper)
        return ip

    def kill(self, ip: str) -> None:
        """Kills a node's raylet, and with it its workers, by SIGKILL."""
        process = self.nodes.pop(ip)
        kill_tree(process.pid)
        process.wait()

    def workers(self, ip: str | None = None) -> list[psutil.Process]:
        """Returns the processes that do tasks, of one node or all."""
        found = []
        for node in [self.nodes[ip]] if ip else self.nodes.values():
            with suppress(psutil.Error):
                for process in psutil.Process(node.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        if "".join(process.cmdline()).startswith(WORKERS):
                            found.append(process)
        return found

    def _start(self, ip: str, cores: int, options: list[str], wrapper: Sequence[str]) -> None:
        log = self.folder / f"{ip}.log"
        command = [
            *wrapper,
            *(sys.executable, "-c", START, str(os.getpid())),
            *("start", "--block", "--disable-usage-stats"),
            *(f"--node-ip-address={ip}", f"--num-cpus={cores}", f"--memory={MEMORY_BYTES}"),
            *(f"--object-store-memory={STORE_BYTES}", "--include-log-monitor=false"),
            *(["--include-dashboard=false", "--no-monitor"] if "--head" in options else []),
            *(f"--temp-dir={self.folder}", *options),
        ]
        for _ in range(TRIES):
            with log.open("wb") as file:
                process = subprocess.Popen(
                    command,
                    env=self.environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                )
            self.started.append(process)
            if _is_up(process, log):
                self.nodes[ip] = process
                return
            kill_tree(process.pid)
            process.wait()
        raise AssertionError(f"no node of Ray started:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def joined_nodes(count: int) -> Iterator[RayNodes]:
    """Yields a cluster of so many nodes, which this process and those that it starts may join."""
    with RayNodes() as nodes:
        for _ in range(count):
            nodes.add()
        before = dict(os.environ)
        os.environ.update(nodes.environment)
        try:
            yield nodes
        finally:
            os.environ.clear()
            os.environ.update(before)


def is_at_work(worker: psutil.Process) -> bool:
    """Returns whether a process does a task now."""
    with suppress(psutil.Error):
        return "".join(worker.cmdline()).startswith(WORKERS[0])
    return False


def _is_up(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if re.search(rb"Ray runtime started", log.read_bytes()):
            return True
        time.sleep(0.05)
    return False


def _free_port(ip: str) -> int:
    with socket.socket() as probe:
        probe.bind((ip, 0))
        port: int = probe.getsockname()[1]
        return port
