"""How fast files come from a content store: this project compared with what people use instead.

    python -m benchmarks.fetch [--blobs 12000] [--rounds 3]
    python -m benchmarks.fetch --soak 200000

The store is nginx on this machine, with TLS and 40 ms to the first byte. The contenders take turns,
each in its own process, and do all the work: fetch, gunzip, verify, and write JSON lines; this
project writes archives and their manifest. The bare client is this project's, and only downloads.
The slowest two fetch a part of the files, as many as the table says. --soak fetches synthetic
files from a store with 2 % faults and checks that no id is lost. Install the contenders with
python -m pip install -c constraints.txt -e ".[bench]"
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fetch_contenders import CONTENDERS, MODULES, this_project
from benchmarks.memory import peak_megabytes
from benchmarks.nginx_store import nginx_store, real_blobs
from benchmarks.soak import soak
from benchmarks.targets import quotient, report, taking_part

MANY_ROWS = 2_000_000


def run_contender(name: str, url: str, root: Path, rows: int = 0) -> dict[str, float]:
    """Runs one contender in its own process; returns its blobs, blobs per second, and peak MB."""
    certificate = str(root / "certificate.pem")
    environment = {**os.environ, "SSL_CERT_FILE": certificate, "REQUESTS_CA_BUNDLE": certificate}
    command = [sys.executable, "-m", "benchmarks.fetch", "--contender", name, "--url", url]
    command += ["--root", str(root), "--rows", str(rows)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    facts: dict[str, float] = json.loads(done.stdout)
    return facts


def contend(name: str, url: str, root: Path, rows: int) -> None:
    """What a contender's process does: the work, timed, and one line of JSON."""
    ids = sorted(path.name for path in (root / "content").iterdir())
    with tempfile.TemporaryDirectory(dir=root) as work:
        if rows:
            start = this_project(url, ids, Path(work), rows)
        else:
            start = CONTENDERS[name](url, ids, Path(work))
        started = time.monotonic()
        count = start()
        seconds = time.monotonic() - started
    facts = {"blobs": count, "rate": count / seconds, "megabytes": peak_megabytes()}
    print(json.dumps(facts))


def compare(blobs: int, rounds: int) -> bool:
    """Runs all contenders in turn, prints the table and the targets; returns whether all hold."""
    names = taking_part(CONTENDERS, MODULES)
    rates: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, float] = dict.fromkeys(names, 0.0)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with nginx_store(root, real_blobs(blobs)) as url:
            for _ in range(rounds):
                for name in names:
                    facts = run_contender(name, url, root)
                    rates[name].append(facts["rate"])
                    peaks[name] = max(peaks[name], facts["megabytes"])
                    counts[name] = int(facts["blobs"])
            ours = list(CONTENDERS)[-1]
            peak_of_many = run_contender(ours, url, root, MANY_ROWS)["megabytes"]
    median = {name: statistics.median(values) for name, values in rates.items()}
    print(f"{'':42}   blobs blobs/s  peak MB  this project is")
    for name, rate in median.items():
        figures = f"{counts[name]:7} {rate:7.0f} {peaks[name]:8.0f}"
        print(f"{name:42} {figures} {median[ours] / rate:9.2f} x as fast")
    tutorial, _, aiohttp, obstore, bare, _ = CONTENDERS
    holds = (
        report("blobs/s", median[ours], "at least", 3000),
        report("times the tutorial's way", median[ours] / median[tutorial], "at least", 12),
        report("times aiohttp", quotient(median[ours], median.get(aiohttp)), "at least", 1),
        report("times obstore", quotient(median[ours], median.get(obstore)), "at least", 1),
        report("of the bare client", median[ours] / median[bare], "at least", 0.8),
        report("peak MB", peaks[ours], "at most", 500),
        report(f"peak MB with {MANY_ROWS:,} rows in one group", peak_of_many, "at most", 500),
    )
    return all(holds)


def main() -> None:
    """Reads the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blobs", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=0)
    for hidden in ("--contender", "--url", "--root"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        contend(arguments.contender, arguments.url, Path(arguments.root), arguments.rows)
        return
    holds = soak(arguments.soak) if arguments.soak else compare(arguments.blobs, arguments.rounds)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
