"""The servers that benchmarks/serve.py compares, each a process of its own on this machine."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.projects import PROJECT

OURS, TRANSFORMERS, LLAMA_CPP = "tohum serve", "transformers serve", "llama.cpp"
MODULES = {TRANSFORMERS: "fastapi", LLAMA_CPP: "starlette_context"}  # of their servers
START_SECONDS = 120
# A model of a million parameters is fastest on one; two wait for each other in each operation, and
# for seconds if anything else is running.
THREADS = "1"
MARKS = "<|fim_prefix|><|fim_suffix|>{suffix}<|fim_middle|>{prefix}"  # the order of the training


@dataclass
class Contender:
    """A server that answers at a port; `process` is the one to watch."""

    name: str
    port: int
    process: int

    def body(self, prefix: str, suffix: str, tokens: int) -> tuple[str, dict[str, Any]]:
        """Returns the path and the body of a request to fill in between two texts, streamed.

        Ours is asked as editors ask; the others have no /infill.
        """
        shared = {"stream": True, "temperature": 0.0}
        if self.name == OURS:
            line = prefix.rfind("\n") + 1
            parts = {"input_prefix": prefix[:line], "prompt": prefix[line:], "input_suffix": suffix}
            return "/infill", {**parts, "n_predict": tokens, **shared}
        prompt = MARKS.format(prefix=prefix, suffix=suffix)
        return "/v1/completions", {
            "prompt": prompt,
            "max_tokens": tokens,
            "model": "models/lm",
            **shared,
        }


@contextmanager
def running(name: str, project: Path, context: int) -> Iterator[Contender]:
    """Runs a contender on a project's models/lm."""
    port = free_port()
    commands = {
        OURS: ["tohum", "serve", "--port", str(port)],
        TRANSFORMERS: [
            "transformers.cli.transformers", "serve", "models/lm", "--port", str(port),
            "--device", "cpu", "--dtype", "float32", "--log-level", "error",
        ],
        LLAMA_CPP: [
            "llama_cpp.server", "--model", "models/lm.gguf", "--port", str(port),
            "--n_ctx", str(context), "--verbose", "false",
            "--n_threads", THREADS, "--n_threads_batch", THREADS,
        ],
    }  # fmt: skip
    with (project / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *commands[name]],
            cwd=project,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": THREADS},
        )
        try:
            wait_for(port, process, project / f"{name}.log")
            yield Contender(name, port, process.pid)
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Returns a port that nothing uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Waits until a server answers; one that does not ends the benchmark with its log."""
    ended = time.monotonic() + START_SECONDS
    while time.monotonic() < ended and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{' '.join(map(str, process.args))} does not answer:\n{log.read_text()}")  # type: ignore[arg-type]


@dataclass
class Timed:
    """Seconds from a request to its first text and to its end, and how many tokens came."""

    first: float
    whole: float
    tokens: int

    def until(self, tokens: int) -> float:
        """Returns the seconds to so many tokens at the pace of these."""
        return self.first + (self.whole - self.first) * (tokens - 1) / max(1, self.tokens - 1)


def send(contender: Contender, prefix: str, suffix: str, tokens: int) -> socket.socket:
    """Sends a request on a connection of its own, as curl does for llama.vim."""
    path, values = contender.body(prefix, suffix, tokens)
    body = json.dumps(values).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{contender.port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", contender.port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(head.encode() + body)
    return connection


TEXT = re.compile(rb'"(?:content|text)": ?"(?!")')
COUNT = re.compile(rb'"(?:tokens_predicted|completion_tokens)": ?(\d+)')


def receive(connection: socket.socket, started: float) -> Timed:
    """Reads a streamed answer to its end."""
    answer, first, last = b"", None, started
    with connection:
        while piece := connection.recv(1 << 16):
            answer += piece
            if TEXT.search(piece):
                last = time.perf_counter()
                first = first or last
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"a server answered:\n{answer.decode(errors='replace')}")
    counts = COUNT.findall(answer)
    tokens = int(counts[-1]) if counts else len(TEXT.findall(answer))
    return Timed((first or last) - started, last - started, tokens)
