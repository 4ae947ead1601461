"""Many synthetic files from a store with 2 % faults: no id may be lost or duplicated.

Run by `python -m benchmarks.fetch --soak 200000`. The store is the tests' own.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

from benchmarks.fetch_contenders import fetch_rows, write_rows
from benchmarks.outcomes import read_outcomes
from benchmarks.targets import report
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER

FAULTY = 50  # one in so many ids has a fault: 2 %
FOR_GOOD = 10  # one in so many faults is permanent


def soak(count: int) -> bool:
    """Fetches `count` files in another process; returns whether each is where it belongs."""
    blobs = {}
    for number in range(count):
        content = b"def f_%d():\n    return '%s'\n" % (number, str(number).encode() * 8)
        blobs[hashlib.sha1(content).hexdigest()] = content
    ids = list(blobs)
    with FakeContentStore(blobs) as store, tempfile.TemporaryDirectory() as folder:
        missing, corrupt = set_faults(store, ids)
        root = Path(folder)
        write_rows(root / "ids.parquet", ids, len(ids))
        started = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.soak", str(root), store.content_url]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - started
        kept, dropped = read_outcomes(root / "raw")
        again = store.fetches.total() - count
    right = [blob_id for blob_id in ids if blob_id not in missing and blob_id not in corrupt]
    print(f"{count} ids in {seconds:.0f} s, {again} extra requests")
    return all(
        (
            report("ids in none or several outcomes", once(ids, kept, dropped), "at most", 0),
            report("wrong content or order", float(kept != right), "at most", 0),
            report(
                "wrongly given up",
                len(dict(dropped).items() ^ ({**missing, **corrupt}).items()),
                "at most",
                0,
            ),
        )
    )


def once(ids: list[str], kept: list[str], dropped: list[tuple[str, str]]) -> int:
    """Returns how many ids are missing, and how many are there once too often or not asked for."""
    places, wanted = Counter([*kept, *(blob_id for blob_id, _ in dropped)]), Counter(set(ids))
    return (places - wanted).total() + (wanted - places).total()


def set_faults(store: FakeContentStore, ids: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Sets a fault on each FAULTYth id; returns the permanent ones: missing, corrupt."""
    missing, corrupt = {}, {}
    healing = cycle(fault for fault in Fault if fault is not Fault.NO_SUCH_KEY)
    for number, blob_id in enumerate(ids[::FAULTY]):
        if number % FOR_GOOD:
            store.fail(next(healing), 1, blob_id)
        elif number % (2 * FOR_GOOD):
            store.fail(Fault.NO_SUCH_KEY, FOREVER, blob_id)
            missing[blob_id] = "missing"
        else:
            store.fail(Fault.OTHER_BYTES, FOREVER, blob_id)
            corrupt[blob_id] = "corrupt"
    return missing, corrupt


def main() -> None:
    """Fetches the rows of ROOT/ids.parquet from the store at URL."""
    root, url = Path(sys.argv[1]), sys.argv[2]
    fetch_rows(url, root / "ids.parquet", root / "raw", timeout_seconds=2)


if __name__ == "__main__":
    main()
