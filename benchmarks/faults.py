"""What faults of servers and networks cost, and that they lose nothing.

    python -m benchmarks.faults [--blobs 500] [--together 12] [--only NAME ...]

Each fault gets a Hub, a store and an empty project of its own. The Hub offers a dataset of ids, the
store has their blobs, all made from the fault's seed, and the stage download fetches them with a
user's waits and tries, but with limits of 1 s without a byte (5 s of the Hub) and 5 MB a blob. The
table has a line for each fault: the rows whose file has the right bytes, the fates of the others,
requests, seconds, and the peak memory of the process; `<` before the time says that the stage ended
with an error, and what it said is below. Every row has one fate. A fault that passes loses nothing.
One that stays costs only the blobs that it meets, and they are "missing" only if the store says so.
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fault_schedule import FAULTS, Fault
from benchmarks.fault_stage import Ending, run_stage
from benchmarks.outcomes import read_outcomes
from benchmarks.targets import report
from tests.fakes import stack_rows
from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore
from tests.fakes.hub import FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tohum.config.runtime import Runtime, load_runtime
from tohum.sources.hub import HubSource

PROJECT = Path(__file__).parent.parent
REPO = "acme/ids"
HIT = 0.1  # the share of the blobs that a fault meets, unless it meets all
MOST_SECONDS = 240
MOST_EXTRA_MEGABYTES = 180  # over a run without faults; 32 bodies of 4 MiB and 8 of 5 MB have 174
MOST_REQUESTS = 4  # a row, on average
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
class Outcome:
    """What one run under a fault gave; `problems` are the promises that it broke."""

    right: int
    fates: Counter[str]
    requests: int
    ending: Ending
    problems: list[str]


def settings() -> tuple[HubSource, Runtime]:
    """Returns the source and the limits that all faults have in common."""
    from stages.compose.checking import check
    from stages.compose.composition import compose

    source = check(compose(PROJECT / "conf", OVERRIDES)).source
    assert isinstance(source, HubSource)
    runtime = replace(
        load_runtime(PROJECT / "conf" / "runtime.yaml"),
        progress=False,
        connections=32,
        timeout_seconds=1,
        patience_seconds=60,
        largest_blob_bytes=5_000_000,
    )
    return replace(source, terms=None), runtime


def run_fault(number: int, blobs: int, source: HubSource, runtime: Runtime) -> Outcome:
    """Runs one of FAULTS, against blobs of its own."""
    fault = FAULTS[number]
    seed = zlib.crc32(fault.name.encode())
    rows = made_rows(blobs, seed)
    ids = [blob.blob_id for blob in rows]
    hit = ids if fault.everywhere else random.Random(seed).sample(ids, max(1, round(HIT * blobs)))
    table = parquet_bytes(stack_rows.stack_v2(rows), 100)
    with (
        FakeContentStore(contents(rows)) as store,
        FakeHub({"ids.parquet": table}, repo_id=REPO) as files,
        tempfile.TemporaryDirectory() as folder,
    ):
        set_fault(fault, hit, store, files)
        root = Path(folder)
        source = replace(source, max_rows=fault.max_rows)
        runtime = replace(runtime, content_url=store.content_url)
        ending = run_stage(root, files.endpoint, source, runtime)
        requests = len(store.requests) + len(files.requests)
        problems = problems_of(fault, ending, requests / blobs)
        if ending.error:
            store.heal()
            files.heal()
            if error := run_stage(root, files.endpoint, source, runtime).error:
                problems.append(f"does not complete without the fault: {error}")
        kept, dropped = read_outcomes(root / "data" / "raw")
    lost = dict.fromkeys(hit, fault.costs) if fault.costs else {}
    if kept != [blob_id for blob_id in ids if blob_id not in lost]:
        problems.append("not all files that the store has, in the order of their rows")
    if len(kept) + len(dropped) != blobs:
        problems.append(f"{blobs} rows, but {len(kept)} files and {len(dropped)} fates")
    if dict(dropped) != lost:
        problems.append(f"fates {dict(Counter(lost.values()))} expected, each of its row")
    right = len(set(kept) & set(ids))
    return Outcome(right, Counter(fate for _, fate in dropped), requests, ending, problems)


def set_fault(fault: Fault, hit: list[str], store: FakeContentStore, files: FakeHub) -> None:
    """Lets the Hub or the store misbehave, towards the ids in `hit`."""
    if fault.at == "hub":
        files.play(fault.script, fault.times, fault.part)
    elif fault.everywhere:
        store.play(fault.script, fault.times)
    else:
        for blob_id in hit:
            store.play(fault.script, fault.times, blob_id)


def problems_of(fault: Fault, ending: Ending, requests: float) -> list[str]:
    """Returns what is wrong with how the stage ended, after so many requests a row."""
    problems = []
    if ending.crashed:
        problems.append(f"crashed: {ending.error}")
    elif ending.error and not fault.ends:
        problems.append("ended")
    if ending.seconds > MOST_SECONDS:
        problems.append(f"over {MOST_SECONDS} s")
    if requests > MOST_REQUESTS:
        problems.append(f"over {MOST_REQUESTS} requests a row")
    return problems


def made_rows(count: int, seed: int) -> list[Blob]:
    """Returns so many blobs with different contents."""
    different = {blob.blob_id: blob for blob in sample_blobs(2 * count, seed)}
    return list(different.values())[:count]


def run_all(chosen: list[int], blobs: int, together: int) -> bool:
    """Runs faults, some at a time, prints the table, and returns whether every promise held."""
    print(f"{'fault':44} right  requests  seconds  peak MB  fates of the others")
    broken, peaks = 0, {}
    common = settings()
    context = multiprocessing.get_context("fork")  # the workers have nothing to import
    with ProcessPoolExecutor(together, context) as pool:
        runs = [pool.submit(run_fault, number, blobs, *common) for number in chosen]
        for number, run in zip(chosen, runs, strict=True):
            name, outcome = FAULTS[number].name, run.result()
            print_outcome(name, outcome)
            peaks[name] = outcome.ending.megabytes
            broken += bool(outcome.problems)
    extra = max(peaks.values()) - peaks.get("none", min(peaks.values()))
    return all(
        (
            report("faults that broke a promise", broken, "at most", 0),
            report("peak MB more than without a fault", extra, "at most", MOST_EXTRA_MEGABYTES),
        )
    )


def print_outcome(name: str, outcome: Outcome) -> None:
    """Prints a fault's line of the table, and below it what the stage said and what is wrong."""
    ending = outcome.ending
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(outcome.fates.items()))
    time = f"{'<' if ending.error else ''}{ending.seconds:.1f}"
    print(
        f"{name:44} {outcome.right:5} {outcome.requests:9} {time:>8} {ending.megabytes:8.0f}  "
        f"{fates}".rstrip(),
        flush=True,
    )
    if ending.error:
        print(f"    said: {ending.error}", flush=True)
    for problem in outcome.problems:
        print(f"    WRONG: {problem}", flush=True)


def main() -> None:
    """Reads the command line and runs the faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--blobs", type=int, default=500)
    parser.add_argument("--together", type=int, default=12)
    parser.add_argument("--only", nargs="*", default=[], help="names, or their beginnings")
    arguments = parser.parse_args()
    chosen = [
        number
        for number, fault in enumerate(FAULTS)
        if not arguments.only or fault.name.startswith(tuple(arguments.only))
    ]
    if not chosen:
        parser.error(f"no fault's name begins with {' or '.join(arguments.only)}")
    sys.exit(0 if run_all(chosen, arguments.blobs, arguments.together) else 1)


if __name__ == "__main__":
    main()
