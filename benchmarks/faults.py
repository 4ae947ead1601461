"""What faults of servers and networks cost, and that they lose nothing.

    python -m benchmarks.faults [--blobs 500] [--together 8] [--only NAME ...]

Each fault gets a Hub, a store and an empty project of its own. The Hub offers a dataset of ids, the
store has their blobs, all made from the fault's seed, and the stage download fetches them with a
user's waits and tries, but with limits of 1 s without a byte and 5 MB a blob. The table has a line
for each fault: the rows whose file has the right bytes, the fates of the others, requests, seconds,
and the peak memory of the process. Every row has one fate. A fault that passes loses nothing. One
that stays costs only the blobs that it meets, and they are "missing" only if the store says so.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import misbehaviour as does
from benchmarks.memory import peak_megabytes
from benchmarks.targets import report
from tests.fakes import stack_rows
from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore
from tests.fakes.faults import FOREVER
from tests.fakes.hub import FakeHub
from tests.fakes.server import Script
from tests.fakes.stack_rows import parquet_bytes

PROJECT = Path(__file__).parent.parent
REPO = "acme/ids"
HIT = 0.1  # the share of the blobs that a fault meets, unless it meets all
LARGEST = 5_000_000
MOST_SECONDS = 240
MOST_EXTRA_MEGABYTES = 120  # over a run without faults
MOST_REQUESTS = 4  # a row, on average
STOP_SECONDS = 400
OK = b"HTTP/1.1 200 OK\r\n"
OVERRIDES = [
    "source=stack_v2",
    f"source.repo_id={REPO}",
    "source.revision=main",
    "source.paths=[*.parquet]",
    "source.exclude_vendored=false",
    "source.exclude_generated=false",
    "source.exclude_paths=[]",
    "source.min_file_bytes=0",
    "source.max_file_bytes=null",
    "source.max_lost_share=1.0",
]


@dataclass(frozen=True)
class Fault:
    """A fault: who misbehaves, how, and what it may cost.

    `times` is the number of requests about a blob (or about a file of the Hub) that meet it.
    `costs` is the fate of the blobs that it meets; None: nothing is lost. `ends` says that
    the stage may end with an error, after which a run without the fault must complete it.
    """

    name: str
    script: Script
    times: float = 1
    costs: str | None = None
    everywhere: bool = False
    at: str = "store"
    part: str = ""
    max_rows: int | None = None
    ends: bool = False


def for_good(name: str, script: Script, costs: str) -> Fault:
    """A fault that a tenth of the blobs meet at every try."""
    return Fault(name, script, FOREVER, costs)


def hub(name: str, script: Script, part: str = "/resolve/", **values: Any) -> Fault:
    """A fault of the Hub, whose file is taken whole."""
    return Fault(name, script, at="hub", part=part, everywhere=True, **values)


def ranges(name: str, script: Script, part: str = "/resolve/", **values: Any) -> Fault:
    """A fault of the Hub while rows are read from it by Range."""
    return hub(f"{name}, by Range", script, part, max_rows=1_000_000, **values)


PASSING_STATUSES = (*range(400, 404), 405, 407, 408, 409, 416, 418, 421, 425, 429, 500, 501, 502)
PASSING_STATUSES += (503, 504, 505, 507, 508, 509, 511, 520, 521, 522, 523, 524, 525, 530, 599)

STORE_FAULTS = [
    Fault("none", does.normally),
    *(Fault(f"status {code}, once", does.status(code)) for code in PASSING_STATUSES),
    Fault("204 without a body, once", does.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    Fault("206 for a whole request, once", does.status(206)),
    Fault("304, once", does.raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")),
    for_good("status 404", does.status(404), "missing"),
    for_good("status 410", does.status(410), "missing"),
    for_good("status 451", does.status(451), "missing"),
    for_good("status 403", does.status(403), "missing"),
    for_good("status 521", does.status(521), "unreachable"),
    for_good("status 500", does.status(500), "unreachable"),
    Fault("503 for all, 3 s", does.for_seconds(3, does.status(503)), FOREVER, everywhere=True),
    Fault("429 with Retry-After for all, 3 s",
          does.for_seconds(3, does.status(429, Retry_After="2")), FOREVER, everywhere=True),
    Fault("403 for all, 3 s", does.for_seconds(3, does.status(403)), FOREVER, everywhere=True),
    Fault("no answers at all, 3 s", does.for_seconds(3, does.close), FOREVER, everywhere=True),
    Fault("silence for all, 3 s", does.for_seconds(3, does.silence), FOREVER, everywhere=True),
    Fault("a fifth of all answers is 500", does.at_random(0.2, does.status(500), 1), FOREVER,
          everywhere=True),
    Fault("a fifth of all connections breaks", does.at_random(0.2, does.reset, 2), FOREVER,
          everywhere=True),
    Fault("redirect, 301", does.moved(301)),
    Fault("redirect, 307", does.moved(307)),
    for_good("redirect without end", does.moved(302), "unreachable"),
    for_good("redirect without a Location", does.status(302, b""), "unreachable"),
    for_good("redirect to another protocol", does.moved(302, location="file:///etc/passwd"),
             "unreachable"),
    for_good("redirect to a closed port", does.moved(302, location="http://127.0.0.1:1/"),
             "unreachable"),
    Fault("no answer, once", does.close),
    for_good("no answer", does.close, "unreachable"),
    Fault("reset in the body, once", does.reset),
    Fault("half a body, once", does.wire(lambda head, body: [head, body[: len(body) // 2]])),
    Fault("half a body, then silence, once",
          does.wire(lambda head, body: [head, body[: len(body) // 2]], hold=True)),
    Fault("silence, once", does.silence),
    for_good("silence", does.silence, "unreachable"),
    for_good("one byte of a header a time", does.endless_slowly(OK + b"X: "), "unreachable"),
    for_good("one byte of the body a time",
             does.endless_slowly(OK + b"Content-Length: 4000\r\n\r\n"), "unreachable"),
    Fault("headers that end in LF, once", does.wire(
        lambda head, body: [head.replace(b"\r\n", b"\n"), body], goes_on=True)),
    for_good("negative Content-Length", does.raw(OK + b"Content-Length: -1\r\n\r\n", hold=True),
             "unreachable"),
    for_good("Content-Length of 10^18",
             does.raw(OK + b"Content-Length: 1000000000000000000\r\n\r\nabc", hold=True),
             "unreachable"),
    for_good("Content-Length that isn't a number",
             does.raw(OK + b"Content-Length: many\r\n\r\nabc", goes_on=False), "unreachable"),
    for_good("body without end", does.endless(OK + b"\r\n", does.PIECE), "unreachable"),
    for_good("chunks without end", does.endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + does.PIECE + b"\r\n"),
        "unreachable"),
    for_good("headers without end", does.endless(OK, b"X-Padding: " + b"a" * 1000 + b"\r\n"),
             "unreachable"),
    for_good("100 Continue without end", does.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
             "unreachable"),
    Fault("100 Continue before the answer", does.wire(
        lambda head, body: [b"HTTP/1.1 100 Continue\r\n\r\n", head, body], goes_on=True)),
    Fault("broken chunk, once", does.raw(
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", goes_on=False)),
    Fault("chunks that break off, once", does.raw(
        OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\nabc", goes_on=False)),
    Fault("HTTP/0.9, once", does.raw(does.PAGE, goes_on=False)),
    Fault("HTTP/1.0 without a length", does.wire(
        lambda head, body: [b"HTTP/1.0 200 OK\r\n\r\n", body]), FOREVER, everywhere=True),
    Fault("closes after each answer", does.wire(lambda head, body: [head, body]), FOREVER,
          everywhere=True),
    Fault("Connection: close that stays open", does.wire(
        lambda head, body: [head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), body],
        hold=True), FOREVER, everywhere=True),
    Fault("bytes after the body, once", does.wire(
        lambda head, body: [head, body, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"],
        goes_on=True)),
    Fault("in pieces of 8 kB of 20 bytes", does.wire(
        lambda head, body: [head, *(body[at : at + 20] for at in range(0, len(body), 20))],
        goes_on=True), FOREVER),
    Fault("page of a captive portal, once", does.body(lambda body: does.PAGE)),
    Fault("page of a captive portal for all, 3 s",
          does.for_seconds(3, does.body(lambda body: does.PAGE)), FOREVER, everywhere=True),
    Fault("flipped bit, once", does.body(does.flipped)),
    for_good("flipped bit", does.body(does.flipped), "corrupt"),
    for_good("empty body", does.body(lambda body: b""), "corrupt"),
    for_good("half an object of the right length", does.body(lambda body: body[: len(body) // 2]),
             "corrupt"),
    for_good("gzip bomb", does.body(lambda body: does.BOMB), "unreachable"),
    Fault("two gzip members", does.body(does.two_members), FOREVER),
    Fault("garbage after the gzip member", does.body(lambda body: body + b"garbage"), FOREVER),
    Fault("not compressed", does.body(does.unzipped), FOREVER),
    Fault("compressed twice", does.body(does.zipped, Content_Encoding="gzip"), FOREVER),
    Fault("Content-Encoding: br that is not", does.body(lambda body: body, Content_Encoding="br"),
          1),
]  # fmt: skip

HUB_FAULTS = [
    *(hub(f"Hub: status {code}, once", does.status(code)) for code in (408, 429, 500, 502, 521)),
    hub("Hub: 503 for 3 s", does.for_seconds(3, does.status(503)), "", times=FOREVER),
    hub("Hub: status 500 of the listing, once", does.status(500), "/api/"),
    hub("Hub: listing that is not JSON", does.status(200), "/tree/", times=FOREVER, ends=True),
    hub("Hub: page of a captive portal", does.status(200), times=FOREVER, ends=True),
    hub("Hub: half a file, once", does.wire(lambda head, body: [head, body[: len(body) // 2]]),
        "/lfs/"),
    hub("Hub: half a file, then silence, once",
        does.wire(lambda head, body: [head, body[: len(body) // 2]], hold=True), "/lfs/"),
    hub("Hub: no answer, once", does.close, "/lfs/"),
    hub("Hub: flipped bit, once", does.body(does.flipped), "/lfs/"),
    hub("Hub: flipped bit", does.body(does.flipped), "/lfs/", times=FOREVER, ends=True),
    hub("Hub: one byte a time",
        does.endless_slowly(OK + b"Content-Length: 40000\r\n\r\n"), "/lfs/", times=FOREVER,
        ends=True),
    hub("Hub: file without end", does.endless(OK + b"\r\n", does.PIECE), "/lfs/", times=FOREVER,
        ends=True),
    *(ranges(f"Hub: status {code}, once", does.status(code)) for code in (429, 500, 503, 521)),
    ranges("Hub: no answer, once", does.close),
    ranges("Hub: half an answer, once",
           does.wire(lambda head, body: [head, body[: len(body) // 2]]), "/lfs/"),
    ranges("Hub: 206 with an empty body", does.raw(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n"), "/lfs/", times=FOREVER,
        ends=True),
    ranges("Hub: page of a captive portal", does.status(200), times=FOREVER, ends=True),
    ranges("Hub: one byte a time", does.endless_slowly(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4000\r\n\r\n"), "/lfs/", times=FOREVER,
        ends=True),
    ranges("Hub: flipped bit", does.body(does.flipped), "/lfs/", times=FOREVER, ends=True),
]  # fmt: skip

FAULTS = STORE_FAULTS + HUB_FAULTS


@dataclass(frozen=True)
class Outcome:
    """What one run under a fault gave; `problems` are the promises that it broke."""

    right: int
    fates: Counter[str]
    requests: int
    seconds: float
    megabytes: float
    problems: list[str]


def run_fault(number: int, blobs: int) -> Outcome:
    """Runs one of FAULTS, against blobs of its own."""
    fault = FAULTS[number]
    rows = made_rows(blobs, seed=number)
    hit = [blob.blob_id for blob in rows]
    if not fault.everywhere:
        hit = sorted(random.Random(number).sample(hit, max(1, round(HIT * blobs))))
    table = parquet_bytes(stack_rows.stack_v2(rows), 100)
    with (
        FakeContentStore(contents(rows)) as store,
        FakeHub({"ids.parquet": table}, repo_id=REPO) as files,
        tempfile.TemporaryDirectory() as folder,
    ):
        if fault.at == "hub":
            files.play(fault.script, fault.times, fault.part)
        elif fault.everywhere:
            store.play(fault.script, fault.times)
        else:
            for blob_id in hit:
                store.play(fault.script, fault.times, blob_id)
        root = Path(folder)
        started = time.monotonic()
        first = run_stage(root, store, files, fault)
        seconds = time.monotonic() - started
        requests = len(store.requests) + len(files.requests)
        problems = problems_of(fault, first)
        if first["error"]:
            store.heal()
            files.heal()
            if error := run_stage(root, store, files, fault)["error"]:
                problems.append(f"does not complete without the fault: {error}")
        right, fates, wrong = read_outcome(root / "data" / "raw", rows)
    lost = dict.fromkeys(hit, fault.costs) if fault.costs else {}
    if wrong:
        problems.append(f"{wrong} files with wrong bytes or in another order")
    if right + fates.total() != blobs:
        problems.append(f"{blobs - right - fates.total()} rows without a fate")
    if fates != Counter(lost.values()):
        problems.append(f"fates {dict(Counter(lost.values()))} expected")
    if seconds > MOST_SECONDS:
        problems.append(f"over {MOST_SECONDS} s")
    if requests > MOST_REQUESTS * blobs:
        problems.append(f"over {MOST_REQUESTS} requests a row")
    return Outcome(right, fates, requests, seconds, first["megabytes"], problems)


def problems_of(fault: Fault, first: dict[str, Any]) -> list[str]:
    """Returns what is wrong with how the stage ended under a fault."""
    if first["traceback"]:
        return [f"a traceback: {first['error']}"]
    if first["error"] and not fault.ends:
        return [f"ended: {first['error']}"]
    return []


def made_rows(count: int, seed: int) -> list[Blob]:
    """Returns so many blobs with different contents."""
    different = {blob.blob_id: blob for blob in sample_blobs(2 * count, seed)}
    return list(different.values())[:count]


def run_stage(root: Path, store: FakeContentStore, files: FakeHub, fault: Fault) -> dict[str, Any]:
    """Runs the stage in a process of its own; returns how it ended and its peak MB."""
    values = {"content_url": store.content_url, "max_rows": fault.max_rows}
    command = [sys.executable, "-m", "benchmarks.faults", "--stage", json.dumps(values)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "HF_ENDPOINT": files.endpoint,
        "HF_HOME": str(root / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    environment.pop("HF_TOKEN", None)
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=STOP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {STOP_SECONDS} s", "traceback": True, "megabytes": 0.0}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        return {"error": "".join(last) or done.returncode, "traceback": True, "megabytes": 0.0}
    facts = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(facts, dict)
    return facts


def stage(values: dict[str, Any]) -> None:
    """What a stage's process does: download into the current folder, and a line of JSON."""
    from stages.compose.checking import check
    from stages.compose.composition import compose
    from stages.download.downloading import download
    from tohum.config.runtime import load_runtime
    from tohum.errors import UserError
    from tohum.sources.hub import HubSource

    source = check(compose(PROJECT / "conf", OVERRIDES)).source
    assert isinstance(source, HubSource)
    runtime = replace(
        load_runtime(PROJECT / "conf" / "runtime.yaml"),
        content_url=values["content_url"],
        progress=False,
        connections=32,
        timeout_seconds=1,
        patience_seconds=60,
        largest_blob_bytes=LARGEST,
    )
    error = ""
    try:
        download(
            replace(source, max_rows=values["max_rows"], terms=None), Path("data/raw"), runtime
        )
    except UserError as stopped:
        error = str(stopped)
    print(json.dumps({"error": error, "traceback": False, "megabytes": peak_megabytes()}))


def read_outcome(folder: Path, rows: list[Blob]) -> tuple[int, Counter[str], int]:
    """Returns the rows with the right bytes, the fates of the others, and the wrong ones."""
    from tohum.formats.raw import DROPPED, read_raw

    order = {blob.blob_id: number for number, blob in enumerate(rows)}
    right = wrong = 0
    last = -1
    for _, content in read_raw(folder):
        number = order.get(hashlib.sha1(content).hexdigest(), -1)
        right += number > last
        wrong += number <= last
        last = number
    fates: Counter[str] = Counter()
    if (folder / DROPPED).exists():
        lines = (folder / DROPPED).read_bytes().splitlines()
        fates.update(json.loads(line)["reason"] for line in lines)
    return right, fates, wrong


def run_all(chosen: list[int], blobs: int, together: int) -> bool:
    """Runs faults, some at a time, prints the table, and returns whether every promise held."""
    print(f"{'fault':44} right  requests  seconds  peak MB  fates of the others")
    broken, peaks = 0, {}
    with ProcessPoolExecutor(together) as pool:
        for number, outcome in zip(
            chosen, pool.map(run_fault, chosen, [blobs] * len(chosen)), strict=True
        ):
            name = FAULTS[number].name
            peaks[name] = outcome.megabytes
            fates = ", ".join(f"{count} {fate}" for fate, count in sorted(outcome.fates.items()))
            print(
                f"{name:44} {outcome.right:5} {outcome.requests:9} {outcome.seconds:8.1f} "
                f"{outcome.megabytes:8.0f}  {fates}",
                flush=True,
            )
            for problem in outcome.problems:
                print(f"    {problem}", flush=True)
            broken += bool(outcome.problems)
    extra = max(peaks.values()) - peaks.get("none", min(peaks.values()))
    return all(
        (
            report("faults that broke a promise", broken, "at most", 0),
            report("peak MB more than without a fault", extra, "at most", MOST_EXTRA_MEGABYTES),
        )
    )


def main() -> None:
    """Reads the command line and runs the faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blobs", type=int, default=500)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=[], help="names, or their beginnings")
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        stage(json.loads(arguments.stage))
        return
    chosen = [
        number
        for number, fault in enumerate(FAULTS)
        if not arguments.only or fault.name.startswith(tuple(arguments.only))
    ]
    sys.exit(0 if run_all(chosen, arguments.blobs, arguments.together) else 1)


if __name__ == "__main__":
    main()
