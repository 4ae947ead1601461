"""Push and pull: starts the worker, shows its progress, ends it when stalled, and tries again.

A try that moved something resets the count of tries, so a long upload survives any number of
dropped connections. What is finished is never moved again.
"""

import logging
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tohum.commands.printing import size_of, tell
from tohum.commands.share.child import Watch, end, ended, events
from tohum.commands.share.failures import Failure
from tohum.commands.share.transfer_progress import TransferProgress
from tohum.commands.share.transfer_request import TransferRequest
from tohum.errors import UserError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds
# A socket fails after `stall` seconds, and httplib2 tries a second time; only a process that is
# still running after that is ended from outside.
PATIENCE = 3
MANY_OBJECTS = 1000
LARGE_OBJECT = 2_000_000_000  # bytes
DOWNLOADED = ("downloaded", "here")

log = logging.getLogger(__name__)


@dataclass
class Attempt:
    """How one try ended. `objects` were to be moved when it began, or None if it did not get that
    far; `received` says whether any answer came at all.
    """

    code: int = 1
    objects: int | None = None
    repaired: int = 0
    received: int = 0
    failures: list[Failure] = field(default_factory=list)


def transfer(request: TransferRequest, root: Path, tries: int) -> int:
    """Runs until it is done, or until `tries` tries in a row moved nothing; returns dvc's exit
    code.

    Raises:
        UserError: the user can fix it, as the message says.
    """
    log_path = root / ".dvc" / "tmp" / "share.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    started, failed, answered = time.monotonic(), 0, False
    first: int | None = None  # objects that the first and the last plan had
    last: int | None = None
    with log_path.open("w", encoding="utf-8") as log_file:
        while True:
            attempt = _try(request, log_file)
            first = attempt.objects if first is None else first
            if not attempt.code:
                _print_done(request, first or 0, attempt.repaired, time.monotonic() - started)
                return 0
            failure = _worst(attempt)
            answered = answered or attempt.received > 0
            if not answered and failure.kind == "connection":
                failure = Failure("offline", failure.found)
            failed += 1
            if attempt.objects is not None:
                if last is not None and attempt.objects < last:  # the try before moved something
                    failed = 1
                last = attempt.objects
            if not failure.transient or failed >= tries:
                log.error("%s", failure)
                log.error("dvc's own output is in %s", log_path.relative_to(root))
                return attempt.code
            _pause(failure, failed, tries)


def _worst(attempt: Attempt) -> Failure:
    """Returns the failure to act on: one that another try can't fix comes first."""
    failures = attempt.failures or [Failure("unknown", f"dvc ended with exit code {attempt.code}")]
    known = [failure for failure in failures if failure.kind != "unknown"] or failures
    return min(known, key=lambda failure: failure.transient)


def _pause(failure: Failure, failed: int, tries: int) -> None:
    """Waits, twice as long each time, minus a random part so that machines don't stay in step."""
    seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failed - 1)) * random.uniform(0.5, 1)
    log.warning(
        "%s; trying again in %.0f s (%d of %d); what is done is kept",
        failure.found.rstrip("."), max(1, seconds), failed, tries - 1,
    )  # fmt: skip
    time.sleep(seconds)


def _try(request: TransferRequest, log_file: IO[str]) -> Attempt:
    """Runs one worker to its end."""
    attempt = Attempt()
    command = [sys.executable, "-m", "tohum.commands.share.worker", request.to_json()]
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file,
            encoding="utf-8", errors="replace",
            env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"},
        ) as process,
        ended(process),
        TransferProgress(request.command) as progress,
    ):  # fmt: skip
        watch = Watch(PATIENCE * request.stall)
        for event in events(process):
            if event is None:
                if watch.is_stalled():
                    end(process)
                    attempt.failures.append(
                        Failure("stalled", f"no byte moved for {watch.seconds:.0f} seconds")
                    )
                    return attempt
                continue
            _take(event, request, attempt, progress, watch)
        attempt.code = process.wait()
    return attempt


def _take(
    event: dict[str, Any],
    request: TransferRequest,
    attempt: Attempt,
    progress: TransferProgress,
    watch: Watch,
) -> None:
    match event.pop("event"):
        case "plan":
            attempt.objects = event["objects"]
            attempt.repaired = event["repaired"]
            progress.begin(event["objects"], event["bytes"], moves_by_socket=not event["local"])
            if request.command == "push" and not event["local"]:
                _advise(event["objects"], *event["largest"])
        case "moved":
            attempt.received = event["received"]
            progress.moved(event["sent"] if request.command == "push" else event["received"])
            watch.seen(event["sent"] + event["received"], event["cpu"])
        case "end":
            for kind, found in event["failures"]:
                if kind == "user":
                    raise UserError(found)
                if kind == "interrupted":
                    raise KeyboardInterrupt
                attempt.failures.append(Failure(kind, found))


def _advise(objects: int, path: str, size: int) -> None:
    """Warns of what will be slow: Drive takes two requests per file, and an interrupted file
    restarts.
    """
    if objects > MANY_OBJECTS:
        log.warning(
            "%d files take a while, two requests each; a larger jsonl.shard_bytes makes fewer",
            objects,
        )
    if size > LARGE_OBJECT:
        log.warning("%s has %s: if interrupted, it starts over", path, size_of(size))


def _print_done(request: TransferRequest, objects: int, repaired: int, seconds: float) -> None:
    done, place = ("uploaded", "on the remote") if request.command == "push" else DOWNLOADED
    if not objects:
        tell(f"Everything is {place} already.")
        return
    tell(f"{objects} objects {done} in {seconds:.0f} s; everything is {place}.")
    if repaired:
        tell(f"{repaired} of them were missing or damaged there, unnoticed by dvc.")
