"""Whether several nodes fetch as one client: one throttle, no id lost, the bytes of one machine.

    python -m benchmarks.cluster_fetch [--blobs 12000] [--rate 500] [--connections 300]

The store is nginx on this machine, with TLS and 40 ms to the first byte. It answers 503 to an
address with more than 300 requests at once, and to everybody above a rate of all requests. The
contenders take turns: the stage's own process, which gets three minutes, and Ray with one node and
with two, each a raylet with one core and an address of its own on loopback, from which it asks.
Before, the stage's own process fetches everything without limits, for the bytes to compare with.
The rates are those between the first and the last answer in the store's log, since a cluster takes
seconds to start; the whole time is printed beside them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fetch_contenders import fetch_rows, write_rows
from benchmarks.nginx_store import StoreLimits, nginx_store, real_blobs
from benchmarks.targets import report
from tests.fakes.ray_nodes import INSTALLED, RayNodes
from tests.tiny import PROJECT
from tohum.files import file_sha256

NODES = {"one process": 0, "Ray, 1 node": 1, "Ray, 2 nodes": 2}
TASK_ROWS = 200  # so that a small corpus has many tasks for each
ALONE_SECONDS = 180.0
NO_LIMITS = StoreLimits(60_000, 10**6, 10**6)
SOURCE = """
import os
import pycurl
made = pycurl.Curl
def from_this_address():
    handle = made()
    handle.setopt(pycurl.INTERFACE, os.environ["SOURCE_ADDRESS"])
    return handle
pycurl.Curl = from_this_address
"""
LEAST_SHARE = 0.5  # of the store's rate that one process, and two nodes, have to get
MOST_REFUSED = 0.1  # requests refused for each file, with two nodes


@dataclass(frozen=True)
class Fetched:
    """What a contender did: ids it lost, None if it did not finish, whole seconds, the hashes of
    what it wrote, answers with 200 a second, and the answers with 503 by address.
    """

    lost: int | None
    seconds: float
    hashes: dict[str, str]
    rate: float
    refused: Counter[str]


def contend(url: str, rows: Path, out: Path, cluster: str | None) -> None:
    """What a contender's process does; prints how many files it got."""
    from tohum.fetch import row_tables, segment_tasks

    if cluster:
        row_tables.READ_ROWS = {False: TASK_ROWS, True: TASK_ROWS}
        segment_tasks.TASK_ROWS = TASK_ROWS
    print(json.dumps(fetch_rows(url, rows, out, cluster=cluster)))


def run_contender(nodes: int, url: str, root: Path, ids: int) -> Fetched:
    """Runs one contender, on so many nodes, and reads the store's log about it."""
    certificate = {"SSL_CERT_FILE": str(root / "certificate.pem")}
    log = root / "access.log"
    before = log.stat().st_size if log.exists() else 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root)))
        environment = {**os.environ, **certificate}
        command = [sys.executable, "-m", "benchmarks.cluster_fetch", "--contender", str(folder)]
        command += ["--url", url, "--rows", str(root / "ids.parquet")]
        if nodes:
            cluster = stack.enter_context(RayNodes())
            (folder / "sitecustomize.py").write_text(SOURCE)
            for number in range(nodes):
                own = {"SOURCE_ADDRESS": f"127.0.1.{number + 1}", **certificate}
                own["PYTHONPATH"] = f"{folder}:{PROJECT}"
                cluster.add(wrapper=["env", *(f"{name}={value}" for name, value in own.items())])
            environment = {**cluster.environment, **certificate}
            command += ["--cluster", cluster.address]
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            printed, errors = process.communicate(timeout=None if nodes else ALONE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Fetched(None, ALONE_SECONDS, {}, *read_log(log, before))
        seconds = time.monotonic() - started
        if process.returncode:
            sys.exit(f"a contender failed:\n{errors}")
        hashes = {path.name: file_sha256(path) for path in (folder / "raw").iterdir()}
    return Fetched(ids - json.loads(printed), seconds, hashes, *read_log(log, before))


def read_log(log: Path, start: int) -> tuple[float, Counter[str]]:
    """Returns the answers with 200 a second, and those with 503 by address, from byte `start`."""
    time.sleep(2)  # nginx keeps lines for a second
    with log.open() as file:
        file.seek(start)
        lines = [line.split() for line in file]
    times = [float(when) for when, _, status in lines if status == "200"]
    refused = Counter(address for _, address, status in lines if status == "503")
    return len(times) / (max(times) - min(times)), refused


def compare(blobs: int, limits: StoreLimits) -> bool:
    """Runs all contenders, prints the table and the targets; returns whether all hold."""
    contents = real_blobs(blobs)
    count = len(contents)
    expected = fetched_by([0], contents, NO_LIMITS)[0]
    found = dict(zip(NODES, fetched_by(list(NODES.values()), contents, limits), strict=True))
    print(
        f"{count} files; the store takes {limits.rate} a second, in bursts of {limits.burst}, and "
        f"{limits.connections} at once from an address"
    )
    print(f"{'':20} files/s  seconds  503 by address")
    for name, fetched in {"one, without limits": expected, **found}.items():
        refused = ", ".join(f"{address}: {n}" for address, n in sorted(fetched.refused.items()))
        ended = "" if fetched.lost is not None else " (did not finish)"
        print(f"{name:20} {fetched.rate:7.0f} {fetched.seconds:8.1f}  {refused or 'none'}{ended}")
    alone, _, two = found.values()
    every = (expected, *found.values())
    lost = sum(count if each.lost is None else each.lost for each in every)
    wrong = sum(each.hashes != expected.hashes for each in every)
    refusals = sum(two.refused.values()) / count
    return all(
        (
            report("ids lost", lost, "at most", 0),
            report("contenders with other bytes", wrong, "at most", 0),
            report("of the store's rate, alone", alone.rate / limits.rate, "at least", LEAST_SHARE),
            report("of the store's rate, 2 nodes", two.rate / limits.rate, "at least", LEAST_SHARE),
            report("refusals for each file, 2 nodes", refusals, "at most", MOST_REFUSED),
        )
    )


def fetched_by(nodes: list[int], contents: dict[str, bytes], limits: StoreLimits) -> list[Fetched]:
    """Returns what contenders do at a store, in turn, each on so many nodes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root / "ids.parquet", sorted(contents), len(contents))
        with nginx_store(root, contents, limits=limits) as url:
            return [run_contender(each, url, root, len(contents)) for each in nodes]


def main() -> None:
    """Reads the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blobs", type=int, default=12_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--connections", type=int, default=300)
    for hidden in ("--contender", "--url", "--rows", "--cluster"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        out = Path(arguments.contender, "raw")
        contend(arguments.url, Path(arguments.rows), out, arguments.cluster)
        return
    if not INSTALLED:
        sys.exit('Ray is not installed: python -m pip install -c constraints.txt -e ".[cluster]"')
    limits = StoreLimits(arguments.connections, arguments.rate, burst=arguments.rate // 10)
    sys.exit(0 if compare(arguments.blobs, limits) else 1)


if __name__ == "__main__":
    main()
