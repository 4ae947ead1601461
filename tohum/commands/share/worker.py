"""The process that runs DVC: it plans, moves the objects with DVC's own command, and reports.

    python -m tohum.commands.share.worker '{"command": "push", ...}'

It writes one JSON object per line to its standard output: `plan` (what is to be moved), `moved`
(twice a second), `end`. DVC's output goes to standard error. `transfer` starts it, watches it and
restarts it.

It adds four things to DVC's command. A socket that is silent for `stall` seconds fails: with
PyDrive2 alone, an interrupted upload waits forever. Objects that are missing on the remote although
their folder's `.dir` object exists are uploaded: DVC trusts the `.dir` (treeverse/dvc#10977). An
object whose size or MD5 on the remote is wrong is replaced. And every object is checked: before it
is sent, and before what came is used.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
from contextlib import closing
from typing import Any, TextIO

from tohum.commands.share.damage import came_damaged, drop_damaged, refuse_damaged
from tohum.commands.share.failures import Failure, recognise
from tohum.commands.share.outputs import Output, shared_outputs
from tohum.commands.share.traffic import Traffic
from tohum.commands.share.transfer_plans import (
    TransferPlan,
    by_remote,
    plan_pull,
    plan_push,
    refuse_lost,
    with_paths,
)
from tohum.commands.share.transfer_request import TransferRequest
from tohum.errors import UserError
from tohum.process import end_with_parent

REPORT_SECONDS = 0.5
DRIVE_JOBS = 4  # more would hit Drive's limit of requests per minute


class Reporter:
    """Writes events and, in its own thread, how much has moved."""

    def __init__(self, stream: TextIO, traffic: Traffic) -> None:
        self._stream = stream
        self._traffic = traffic
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts to count and report what has moved."""
        self._traffic.watch()
        threading.Thread(target=self._report, name="report", daemon=True).start()

    def event(self, name: str, **facts: Any) -> None:
        """Writes one event."""
        with self._lock:
            self._stream.write(json.dumps({"event": name, **facts}) + "\n")
            self._stream.flush()

    def end(self, code: int, failures: list[tuple[str, str]]) -> None:
        """Writes the last events: what moved in total, and how it ended."""
        self._moved()
        self.event("end", code=code, failures=failures)

    def _moved(self) -> None:
        moved = {"sent": self._traffic.sent, "received": self._traffic.received}
        self.event("moved", **moved, cpu=time.process_time())

    def _report(self) -> None:
        while True:
            self._moved()
            time.sleep(REPORT_SECONDS)


class Collector(logging.Handler):
    """Collects failures from DVC's log, with the logged exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failures: list[Failure] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one line of the log."""
        if record.exc_info and record.exc_info[1] is not None:
            self.failures.append(recognise(record.exc_info[1]))


def main() -> None:
    end_with_parent()
    request = TransferRequest(**json.loads(sys.argv[1]))
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what DVC prints goes to the log
    reporter = Reporter(events, Traffic())
    try:
        code, failures = work(request, reporter)
    except UserError as error:
        reporter.end(1, [("user", str(error))])
        sys.exit(1)
    except KeyboardInterrupt:
        reporter.end(1, [("interrupted", "")])
        sys.exit(1)
    reporter.end(code, [(each.kind, each.found) for each in failures])
    sys.exit(code)


def work(request: TransferRequest, reporter: Reporter) -> tuple[int, list[Failure]]:
    """Moves the objects; returns DVC's exit code and the failures that were seen."""
    from dvc.repo import Repo

    collector = Collector()
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).addHandler(collector)
    reporter.start()
    socket.setdefaulttimeout(request.stall)
    os.environ["GDRIVE_NON_INTERACTIVE"] = "1"  # only `setup` opens a browser
    plans: list[TransferPlan] = []
    try:
        with Repo() as repo:
            outputs = shared_outputs(repo, request.targets)
            plan = plan_push if request.command == "push" else plan_pull
            for remote, members in by_remote(outputs, request.remote):
                plans.append(plan(repo, remote, members))
            _report_plan(plans, reporter)
            refuse_lost(plans)
            if request.command == "push":
                code = push(repo, outputs, plans, request)
            else:
                code, damaged = pull(repo, outputs, plans, request)
                collector.failures += damaged
    except UserError:
        raise
    except Exception as error:
        logging.getLogger(__name__).exception("%s failed", request.command)
        return 1, [*collector.failures, recognise(error)]
    return code, [with_paths(failure, plans) for failure in collector.failures]


def push(
    repo: Any, outputs: list[Output], plans: list[TransferPlan], request: TransferRequest
) -> int:
    """Runs DVC's command, after doing what it would not do alone."""
    if not any(plan.missing for plan in plans):
        return 0
    refuse_damaged(repo, plans)
    for plan in plans:
        repair(repo, plan, request)
    return run_dvc("push", outputs, plans, request)


def pull(
    repo: Any, outputs: list[Output], plans: list[TransferPlan], request: TransferRequest
) -> tuple[int, list[Failure]]:
    """Fetches into the cache, and checks out only if nothing came damaged."""
    damaged = [failure for plan in plans for failure in came_damaged(plan, plan.unlisted)]
    code = 1 if damaged else run_dvc("fetch", outputs, plans, request)
    if code:
        return code, damaged
    damaged = [failure for plan in plans for failure in drop_damaged(repo, plan)]
    if damaged:
        return 1, damaged
    return run_dvc("checkout", outputs, plans, request), []


def repair(repo: Any, plan: TransferPlan, request: TransferRequest) -> None:
    """Uploads what `dvc push` would assume to exist, and clears its assumptions."""
    from dvc_data.hashfile.db import get_index

    if not plan.missing:
        return
    with closing(get_index(plan.odb)) as index:
        index.clear()
    for oid in plan.damaged:
        plan.odb.delete(oid)
    # a .dir after what it names
    objects = sorted({*plan.hidden, *plan.damaged}, key=lambda oid: (oid.endswith(".dir"), oid))
    if objects:
        cache = repo.cache.local
        paths = [cache.oid_to_path(oid) for oid in objects]
        # verify=True would download every object again, to hash it
        jobs = request.jobs or (DRIVE_JOBS if _is_drive(plan) else None)
        plan.odb.add(paths, cache.fs, objects, jobs=jobs, verify=False)


def run_dvc(
    command: str, outputs: list[Output], plans: list[TransferPlan], request: TransferRequest
) -> int:
    """Runs DVC's own command in this process and returns its exit code."""
    from dvc.cli import main as dvc

    arguments = [command]
    if command == "checkout":
        arguments += ["--force"] if request.force else []
    else:
        if request.jobs is not None or any(_is_drive(plan) for plan in plans):
            arguments += ["--jobs", str(request.jobs or DRIVE_JOBS)]
        if request.remote:
            arguments += ["--remote", request.remote]
    if request.targets:
        arguments += [output.out.fs_path for output in outputs]
    return int(dvc(arguments) or 0)


def _is_drive(plan: TransferPlan) -> bool:
    return bool(plan.odb.fs.protocol == "gdrive")


def _report_plan(plans: list[TransferPlan], reporter: Reporter) -> None:
    missing = {oid: path for plan in plans for oid, path in plan.missing.items()}
    sizes = {oid: size for plan in plans for oid, size in plan.sizes.items()}
    largest = max(missing, key=lambda oid: sizes.get(oid, 0), default="")
    reporter.event(
        "plan",
        objects=len(missing),
        bytes=sum(plan.total for plan in plans),
        repaired=sum(len({*plan.hidden, *plan.damaged}) for plan in plans),
        local=all(plan.odb.fs.protocol == "local" for plan in plans),
        largest=[missing.get(largest, ""), sizes.get(largest, 0)],
    )


if __name__ == "__main__":
    main()
