"""The stage download under a fault: a process of its own that can't fill the disk or run for ever.

The processes are forked from one that has imported the stage's modules: 0.3 s of work instead of
2 s. huggingface_hub is not among them, because it reads HF_ENDPOINT when it is imported.
"""

import multiprocessing
import os
import resource
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.memory import peak_megabytes
from stages.download.downloading import download
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.sources import remote_file
from tohum.sources.hub import HubSource

STOP_SECONDS = 400
HUB_TIMEOUT = (1.0, 5.0)  # seconds to connect and of a slow answer; a user waits 10 and 30
FILE_BYTES = 64_000_000  # of any file: ten times what a run without faults writes
PRELOADED = [
    *("benchmarks.fault_schedule", "benchmarks.fault_stage", "benchmarks.outcomes"),
    *("tests.fakes.content_store", "tests.fakes.hub", "tests.fakes.stack_rows"),
    *("tohum.fetch.contents", "tohum.sources.first_rows"),
]


@dataclass(frozen=True)
class Ending:
    """How a run of the stage ended: `error` is what it told the user, empty if it is complete.

    `crashed`: it ended in another way, with a traceback, by a signal, or not at all.
    """

    error: str
    crashed: bool = False
    seconds: float = 0.0
    megabytes: float = 0.0


def run_stage(root: Path, endpoint: str, source: HubSource, runtime: Runtime) -> Ending:
    """Downloads a source of the Hub at `endpoint` to root/data/raw."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    inbox, outbox = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(outbox, root, endpoint, source, runtime))
    process.start()
    outbox.close()
    ending = Ending(f"not done in {STOP_SECONDS} s", True, STOP_SECONDS)
    try:
        if inbox.poll(STOP_SECONDS):
            ending = inbox.recv()
    except EOFError:
        process.join()
        ending = Ending(f"ended with exit code {process.exitcode}", True)
    process.join(10)
    process.kill()
    return ending


def _work(
    outbox: Connection, root: Path, endpoint: str, source: HubSource, runtime: Runtime
) -> None:
    os.chdir(root)
    log = os.open(root / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(root / "hf")}
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1"}
    os.environ.pop("HF_TOKEN", None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    remote_file.TIMEOUT = HUB_TIMEOUT
    started = time.monotonic()
    error, crashed = "", False
    try:
        download(source, Path("data/raw"), runtime)
    except UserError as stopped:
        error = str(stopped)
    except Exception as broken:
        traceback.print_exc()
        error, crashed = f"{type(broken).__name__}: {broken}", True
    outbox.send(Ending(error, crashed, time.monotonic() - started, peak_megabytes()))
