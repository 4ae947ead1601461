"""How fast a tokenizer trains and encodes: this project compared with what people use instead.

    python -m benchmarks.tokenizer [--megabytes 580] [--encode-megabytes 64] [--rounds 3]
    python -m benchmarks.tokenizer --growth 1 2 4 8

The corpus is the code installed on this machine. The contenders take turns, each in its own
process: each trains once with 32,000 entries, then there are rounds of encoding. --growth counts
and trains on so many GB, using copies with new identifiers, under max_memory = 2GB, and prints the
peak memory of each. Install the contenders with
python -m pip install -c constraints.txt -e ".[bench]"; one that is not installed is left out.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from benchmarks.code_corpus import write_corpus
from benchmarks.memory import MEGABYTE, peak_megabytes
from benchmarks.targets import quotient, report, taking_part
from benchmarks.tokenizer_contenders import (
    ENCODE,
    MODULES,
    PROJECT,
    TRAIN,
    count_by_this_project,
    merge_by_this_project,
    texts_of,
)

VOCAB_SIZE = 32_000
WARM_UP_TEXTS = 50
OURS = "this project"


def in_a_process(root: Path, job: str, name: str, *values: int) -> dict[str, Any]:
    """Runs one contender in its own process, in an empty folder; returns its facts, including its
    peak memory in MB.
    """
    work = root / "work"
    work.mkdir()
    command = [sys.executable, "-m", "benchmarks.tokenizer", "--job", job, name, str(root)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "RAYON_NUM_THREADS": "2"}
    environment.pop("DVC_ROOT", None)
    done = subprocess.run(
        [*command, *map(str, values)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(work)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    facts = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(facts, dict)
    return facts


def do_job(job: str, name: str, root: Path, values: list[int]) -> None:
    """What a contender's process does: the work, timed, and one line of JSON."""
    facts = JOBS[job](name, root, *values)
    print(json.dumps({**facts, "megabytes": peak_megabytes()}))


def _train(name: str, root: Path) -> dict[str, Any]:
    started = time.monotonic()
    pairs = TRAIN[name](root / "jsonl", VOCAB_SIZE)
    seconds = time.monotonic() - started
    if pairs is not None:
        (root / f"{name}.merges.json").write_text(json.dumps(pairs), encoding="utf-8")
    return {"seconds": seconds}


def _count(corpus: str, root: Path) -> dict[str, Any]:
    started = time.monotonic()
    count_by_this_project(root / corpus, root / f"{corpus}.pretokens")
    return {"seconds": time.monotonic() - started}


def _merge(corpus: str, root: Path) -> dict[str, Any]:
    from tohum.formats.pretoken_table import read_meta

    table = root / f"{corpus}.pretokens"
    started = time.monotonic()
    pairs = merge_by_this_project(table, VOCAB_SIZE)
    seconds = time.monotonic() - started
    (root / f"{OURS}.merges.json").write_text(json.dumps(pairs), encoding="utf-8")
    return {"seconds": seconds, "different": read_meta(table)["different_pretokens"]}


def _encode(name: str, root: Path, megabytes: int) -> dict[str, Any]:
    texts, size = [], 0
    for text in texts_of(root / "jsonl"):
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * MEGABYTE:
            break
    encode = ENCODE[name](root / "tokenizer")
    encode(texts[:WARM_UP_TEXTS])
    started = time.monotonic()
    ids, lengths = encode(texts)
    seconds = time.monotonic() - started
    numpy.savez(root / f"{name}.npz", ids=ids, lengths=lengths)
    return {"rate": size / MEGABYTE / seconds}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "train": _train,
    "count": _count,
    "merge": _merge,
    "encode": _encode,
}


def stages_of_this_project(root: Path, corpus: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Runs the two training stages, each in its own process as `dvc repro` does."""
    return in_a_process(root, "count", corpus), in_a_process(root, "merge", corpus)


def compare_training(root: Path, size: int) -> list[bool]:
    """Trains with each contender, prints the table and the targets; returns whether they hold."""
    started = time.monotonic()
    stages_of_this_project(root, "small")  # compiles, once per clone
    print(f"compiled and warm after {time.monotonic() - started:.1f} s", flush=True)
    found = {name: in_a_process(root, "train", name) for name in taking_part(TRAIN, MODULES)}
    count, merge = stages_of_this_project(root, "jsonl")
    found[OURS] = {
        "seconds": count["seconds"] + merge["seconds"],
        "megabytes": max(count["megabytes"], merge["megabytes"]),
    }
    ours = found[OURS]["seconds"]
    print(f"\n{'training':30} seconds   MB/s  peak MB  this project is")
    for name, facts in found.items():
        seconds = facts["seconds"]
        rate = size / MEGABYTE / seconds
        print(
            f"{name:30} {seconds:7.1f} {rate:6.1f} {facts['megabytes']:8.0f} "
            f"{seconds / ours:9.2f} x as fast"
        )
    theirs, mine = ((root / f"{name}.merges.json").read_text() for name in ("tokenizers", OURS))
    rustbpe = found["rustbpe"]["seconds"] / ours if "rustbpe" in found else None
    return [
        report("training, times rustbpe", rustbpe, "at least", 2),
        report(
            "training, times tokenizers", found["tokenizers"]["seconds"] / ours, "at least", 4.5
        ),
        report("training, peak MB", found[OURS]["megabytes"], "at most", 400),
        report("merges that differ from tokenizers'", differing(mine, theirs), "at most", 0),
    ]


def differing(mine: str, theirs: str) -> int:
    """Returns how many places of two lists of merges differ."""
    one, other = json.loads(mine), json.loads(theirs)
    return int(sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other)))


def compare_encoding(root: Path, megabytes: int, rounds: int) -> list[bool]:
    """Encodes with each contender in turn, prints the table and the targets; returns whether they
    hold.
    """
    rates: dict[str, list[float]] = {name: [] for name in taking_part(ENCODE, MODULES)}
    for _ in range(rounds):
        for name, found in rates.items():
            found.append(in_a_process(root, "encode", name, megabytes)["rate"])
    median = {name: statistics.median(values) for name, values in rates.items()}
    ours = median[OURS]
    reference, tiktoken, _, _ = ENCODE
    others = {name: documents_that_differ(root, name, reference) for name in rates}
    print(f"\n{'encoding':30}    MB/s  documents that differ  this project is")
    for name, rate in median.items():
        print(f"{name:30} {rate:7.1f} {others[name]:22} {ours / rate:9.2f} x as fast")
    return [
        report("encoding, MB/s", ours, "at least", 60),
        report("encoding, times encode_batch_fast", ours / median[reference], "at least", 15),
        report("encoding, times tiktoken", quotient(ours, median.get(tiktoken)), "at least", 5),
        report("documents with ids unlike tokenizers'", others[OURS], "at most", 0),
    ]


def documents_that_differ(root: Path, name: str, reference: str) -> int:
    """Returns how many documents have different ids than with the reference."""
    parts = []
    for contender in (name, reference):
        with numpy.load(root / f"{contender}.npz") as arrays:
            ids, lengths = arrays["ids"], arrays["lengths"].astype(numpy.int64)
        parts.append(numpy.split(ids.astype(numpy.uint32), numpy.cumsum(lengths)[:-1]))
    return sum(not numpy.array_equal(one, other) for one, other in zip(*parts, strict=True))


def compare(megabytes: int, encode_megabytes: int, rounds: int) -> bool:
    """Runs all contenders; returns whether all targets hold."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        real, copies = write_corpus(root / "jsonl", megabytes * MEGABYTE)
        write_corpus(root / "small", MEGABYTE)
        added = f" and {copies / 1e6:.0f} MB of copies with new identifiers" if copies else ""
        print(f"{real / 1e6:.0f} MB of different installed source files{added}", flush=True)
        holds = compare_training(root, real + copies)
        make_tokenizer(root)
        holds += compare_encoding(root, encode_megabytes, rounds)
    return all(holds)


def make_tokenizer(root: Path) -> None:
    """Writes the tokenizer trained by this project to `root`/tokenizer."""
    from benchmarks.tokenizer_contenders import pattern
    from stages.tokenizer.merges import Merge
    from stages.tokenizer.training import build_tokenizer, write_tokenizer
    from tohum.formats.alphabet import alphabet_order, byte_characters
    from tohum.formats.special_tokens import SPECIAL_TOKENS

    characters = byte_characters()
    ids = {token: id for id, token in enumerate(SPECIAL_TOKENS)}
    for byte in alphabet_order():
        ids[characters[byte]] = len(ids)
    merges = []
    for left, right in json.loads((root / f"{OURS}.merges.json").read_text()):
        merges.append(Merge(ids[left], ids[right], len(ids), 0, 0))
        ids[left + right] = len(ids)
    (root / "tokenizer").mkdir()
    tokenizer = build_tokenizer(alphabet_order(), merges, pattern())
    write_tokenizer(root / "tokenizer", tokenizer, merges)


def grow(gigabytes: list[int]) -> bool:
    """Counts and trains on increasing amounts of text, and prints the peak memory of each."""
    print("GB of text  different pretokens  counting s  peak MB  training s  peak MB", flush=True)
    peaks = []
    for size in gigabytes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_corpus(root / "jsonl", size * 1000 * MEGABYTE)
            count, merge = stages_of_this_project(root, "jsonl")
        peaks.append(count["megabytes"])
        print(
            f"{size:10} {merge['different']:20,} {count['seconds']:11.0f} {peaks[-1]:8.0f} "
            f"{merge['seconds']:11.0f} {merge['megabytes']:8.0f}",
            flush=True,
        )
    return all(
        (
            report("counting, peak MB", max(peaks), "at most", 2000),
            report("counting, largest peak / smallest", max(peaks) / min(peaks), "at most", 1.5),
        )
    )


def main() -> None:
    """Reads the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=580)
    parser.add_argument("--encode-megabytes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="+", metavar="GB")
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        job, name, root, *values = arguments.job
        do_job(job, name, Path(root), list(map(int, values)))
        return
    if arguments.growth:
        sys.exit(0 if grow(arguments.growth) else 1)
    sys.exit(0 if compare(arguments.megabytes, arguments.encode_megabytes, arguments.rounds) else 1)


if __name__ == "__main__":
    main()
