"""What Ray costs and gains where jsonl, pretokens and encode run on a cluster, and that it is safe.

    python -m benchmarks.cluster [--megabytes 1000] [--rounds 1] [--kills [20] | --without-ray]

The corpus is real code, the sources of installed packages, as JSON lines (benchmarks/jsonl.py), in
files of 250 MB. The three stages run as `dvc repro` runs them, each in its own process, whose whole
time counts. They run on this machine's processes, and on Ray with one node and with two, each a
raylet with one core; the head has none. All of them do the same with each other's outputs: every
file must have the same SHA-256. The contenders take turns, and Ray only runs during its own.

What Ray costs is measured where every process may use both cores. What a second node gains is
measured with each node held to a core of its own, the stage to that of the first, as if the stage
ran on that node. Otherwise, with one node, the stage itself could use the second core.

datatrove takes its turn too, with two tasks of its local executor (benchmarks/cluster_contenders.py
has its pipelines): it reads the same lines, drops by the same sizes, leaves out exact duplicates,
and encodes with the same tokenizer.json. jsonl and encode do that here; pretokens, which counts for
the training of a tokenizer, is not in its comparison. Install it with
python -m pip install -c constraints.txt -e ".[bench,cluster]"; without, it is left out.
`--without-ray` measures only this machine's processes and datatrove.

`--kills 20` does not measure: it runs the stages on four nodes, kills at random at least 20 workers
and raylets (a new node takes the place of each) and a fourth as many times the stage itself, which
is started again, all by SIGKILL, and compares the outputs.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.cluster_contenders import (
    MODULES,
    TASKS,
    documents_and_tokens,
    run_datatrove,
    split_lines,
)
from benchmarks.jsonl import MAX_BYTES, MIN_BYTES, write_input
from benchmarks.projects import run_stage, start_stage, write_runtime, write_values
from benchmarks.targets import quotient, report, taking_part
from tests.fakes.ray_nodes import INSTALLED, RayNodes, joined_nodes
from tohum.files import file_sha256, write_json
from tohum.formats.tokens import SPLITS

STAGES = {"jsonl": "data/jsonl", "pretokens": "data/pretokens", "encode": "data/tokens"}
OVERRIDES = [
    "source=files",
    "source.paths=[x]",
    "tokenizer.vocab_size=32000",
    "tokenizer.min_frequency=3",
    f"jsonl.min_bytes={MIN_BYTES}",
    f"jsonl.max_bytes={MAX_BYTES}",
]
MOST_COST, LEAST_GAIN = 10.0, 1.8
FILE_MB = 250  # of the corpus, as large datasets are cut on the Hub
KILL_NODES = 4
KILL_SECONDS = (0.5, 6.0)  # between two kills
RAYLET_SHARE = 0.4  # of the kills; the others hit workers
WITHOUT_COUNTING = ("jsonl", "encode")  # what datatrove does too
MOST_OTHER_TOKENS = 0.01  # % of ours


@dataclass(frozen=True)
class Contender:
    """Where the stages run: so many workers of this machine, or so many nodes of Ray; `held` is
    whether each node has a core of its own.
    """

    name: str
    workers: int = 1
    nodes: int = 0
    held: bool = False


CONTENDERS = (
    Contender("2 processes", workers=2),
    Contender("Ray, 2 nodes", nodes=2),
    Contender("Ray, 2 nodes, a core each", nodes=2, held=True),
    Contender("Ray, 1 node, a core", nodes=1, held=True),
)
PROCESSES, TWO, TWO_HELD, ONE_HELD = (contender.name for contender in CONTENDERS)


def make_project(root: Path, megabytes: float) -> dict[str, str]:
    """Makes a project with a corpus and a tokenizer, by this machine's processes; returns the
    hashes of what the stages wrote.
    """
    print(
        f"making {megabytes:.0f} MB of JSON lines, and the outputs to compare with ...", flush=True
    )
    write_values(root, OVERRIDES)
    raw, whole = root / "data" / "raw", root / "in.jsonl"
    write_input(whole, megabytes)
    files = split_lines(whole, raw, max(1, round(megabytes / FILE_MB)))
    entries = ({"file": path.name, "sha256": file_sha256(path)} for path in files)
    (raw / "manifest.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    write_json(raw / "source.json", {"kind": "files", "license": None})
    write_runtime(root, cluster=None, workers=2, progress=False)
    for stage in ("jsonl", "pretokens", "tokenizer", "encode"):
        run_stage(root, stage)
    return hashes(root)


def hashes(root: Path, stages: tuple[str, ...] = tuple(STAGES)) -> dict[str, str]:
    """Returns the SHA-256 of every file that some stages wrote."""
    return {
        path.relative_to(root).as_posix(): file_sha256(path)
        for stage in stages
        for path in sorted((root / STAGES[stage]).rglob("*"))
        if path.is_file()
    }


@contextmanager
def started(contender: Contender, root: Path) -> Iterator[RayNodes | None]:
    """Starts a contender's cluster, if it has one, and sets the project up for it."""
    if not contender.nodes:
        write_runtime(root, cluster=None, workers=contender.workers, progress=False)
        yield None
        return
    with joined_nodes(0) as nodes:
        for core in range(contender.nodes):
            with on_core(core if contender.held else None):
                nodes.add()
        write_runtime(root, cluster=nodes.address, workers=1, progress=False)
        with on_core(0 if contender.held else None):
            yield nodes


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Holds what is started here to one of this machine's cores; None to all of them."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores if core is None else {cores[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def measure(
    root: Path, contender: Contender, expected: dict[str, str]
) -> tuple[dict[str, float], int]:
    """Runs the stages; returns the seconds of each, and how many files are not as expected."""
    seconds = {}
    with started(contender, root):
        for stage, out in STAGES.items():
            shutil.rmtree(root / out)
            begun = time.monotonic()
            run_stage(root, stage)
            seconds[stage] = time.monotonic() - begun
    found = hashes(root)
    wrong = sum(found.get(path) != expected.get(path) for path in found.keys() | expected.keys())
    return seconds, wrong


@dataclass(frozen=True)
class Tokenized:
    """What came out of reading, filtering and encoding the corpus, and how long it took."""

    seconds: float
    documents: int
    tokens: int


def tokenized_by_stages(root: Path) -> tuple[int, int]:
    """Returns the documents and tokens that lie in a project's token files."""
    meta = json.loads((root / "data" / "tokens" / "meta.json").read_text())
    documents, tokens = (
        sum(meta[split][what] for split in SPLITS) for what in ("documents", "tokens")
    )
    return documents, tokens


def tokenized_by_datatrove(root: Path, lines: Path) -> Tokenized:
    """Runs datatrove on the corpus of a project, of which `lines` are the parts."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        work = Path(folder, "datatrove")
        begun = time.monotonic()
        run_datatrove(lines, root / "models" / "tokenizer" / "tokenizer.json", work)
        seconds = time.monotonic() - begun
        return Tokenized(seconds, *documents_and_tokens(work / "tokens"))


def compare_with_datatrove(ours: Tokenized, found: list[Tokenized]) -> list[bool]:
    """Prints both, and returns whether the targets hold, with the median of datatrove's runs."""
    if not found:
        return [report("times datatrove", None, "at least", 1)]
    seconds = statistics.median(each.seconds for each in found)
    print(f"{'read, filter, tokenize':32}{'seconds':>9}{'documents':>12}{'tokens':>15}")
    for name, each in (
        ("2 processes, jsonl and encode", ours),
        ("datatrove, 2 tasks", Tokenized(seconds, found[0].documents, found[0].tokens)),
    ):
        print(f"{name:32}{each.seconds:9.1f}{each.documents:12,}{each.tokens:15,}")
    other = max(abs(each.tokens - ours.tokens) for each in found)
    documents = max(abs(each.documents - ours.documents) for each in found)
    return [
        report("times datatrove", quotient(seconds, ours.seconds), "at least", 1),
        report("documents more or fewer in datatrove", documents, "at most", 0),
        report(
            "% tokens more or fewer in datatrove",
            100 * other / ours.tokens,
            "at most",
            MOST_OTHER_TOKENS,
        ),
    ]


def compare(megabytes: float, rounds: int, contenders: Sequence[Contender]) -> bool:
    """Measures all contenders in turn, prints the tables, and returns whether the targets hold."""
    seconds: dict[str, dict[str, list[float]]] = {
        contender.name: {stage: [] for stage in STAGES} for contender in contenders
    }
    others: list[Tokenized] = []
    rivals = taking_part(MODULES, MODULES)
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        root, lines = Path(folder, "project"), Path(folder, "lines")
        root.mkdir()
        expected = make_project(root, megabytes)
        split_lines(root / "in.jsonl", lines, TASKS)  # datatrove does not cut a file
        for _ in range(rounds):
            others += [tokenized_by_datatrove(root, lines) for _ in rivals]
            for contender in contenders:
                taken, different = measure(root, contender, expected)
                wrong += different
                for stage, value in taken.items():
                    seconds[contender.name][stage].append(value)
        ours = tokenized_by_stages(root)
    table = {
        name: {stage: statistics.median(values) for stage, values in taken.items()}
        for name, taken in seconds.items()
    }
    print(f"{'seconds':28}" + "".join(f"{stage:>12}" for stage in STAGES) + f"{'all':>12}")
    for name, taken in table.items():
        values = [*taken.values(), sum(taken.values())]
        print(f"{name:28}" + "".join(f"{value:12.1f}" for value in values))
    comparable = sum(table[PROCESSES][stage] for stage in WITHOUT_COUNTING)
    holds = [
        *(targets_of_ray(table) if TWO in table else []),
        report("files with other bytes", wrong, "at most", 0),
        *compare_with_datatrove(Tokenized(comparable, *ours), others),
    ]
    return all(holds)


def targets_of_ray(table: dict[str, dict[str, float]]) -> list[bool]:
    """Returns whether Ray costs little and gains much, by the seconds of each stage."""
    whole = {name: sum(taken.values()) for name, taken in table.items()}
    cost = 100 * (whole[TWO] / whole[PROCESSES] - 1)
    holds = [report("% that Ray costs", cost, "at most", MOST_COST)]
    for stage in STAGES:
        gain = table[ONE_HELD][stage] / table[TWO_HELD][stage]
        holds.append(report(f"{stage}, times as fast on 2 nodes", gain, "at least", LEAST_GAIN))
    return holds


class _Killer:
    """Kills workers and nodes at random while a stage runs, and sometimes the stage."""

    def __init__(self, nodes: RayNodes, wanted: int) -> None:
        self.nodes, self.wanted = nodes, wanted
        self.random = random.Random(1)
        self.workers = self.raylets = self.stages = 0
        self.added = [nodes.add() for _ in range(KILL_NODES)]

    def enough(self) -> bool:
        """Whether there were as many kills as wanted."""
        return (
            self.workers + self.raylets >= self.wanted
            and self.stages >= self.wanted // 4
            and min(self.workers, self.raylets) > 0
        )

    def run(self, root: Path, stage: str) -> None:
        """Runs a stage to its end, however many attempts it takes."""
        process = start_stage(root, stage, subprocess.PIPE)
        while True:
            try:
                _, errors = process.communicate(timeout=self.random.uniform(*KILL_SECONDS))
            except subprocess.TimeoutExpired:
                if self.stages < self.wanted // 4 and self.random.random() < 0.2:
                    process.kill()
                    process.communicate()
                    self.stages += 1
                    process = start_stage(root, stage, subprocess.PIPE)
                else:
                    self.kill_one()
                continue
            if process.returncode:
                sys.exit(f"the stage {stage} failed:\n{errors.decode()}")
            return

    def kill_one(self) -> None:
        """Kills a node, which another replaces, or the process of a task."""
        if self.random.random() < RAYLET_SHARE:
            place = self.random.randrange(len(self.added))
            self.nodes.kill(self.added[place])
            self.added[place] = self.nodes.add()
            self.raylets += 1
            return
        workers = self.nodes.workers()
        if workers:
            with suppress(psutil.NoSuchProcess):
                self.random.choice(workers).kill()
                self.workers += 1


def survive(megabytes: float, wanted: int) -> bool:
    """Runs the stages under random kills; returns whether the outputs were the same each time."""
    wrong = runs = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        root.mkdir()
        expected = make_project(root, megabytes)
        with joined_nodes(0) as nodes:
            killer = _Killer(nodes, wanted)
            write_runtime(root, cluster=nodes.address, workers=1, progress=False)
            while not killer.enough():
                for stage, out in STAGES.items():
                    shutil.rmtree(root / out)
                    killer.run(root, stage)
                runs += 1
                found = hashes(root)
                paths = found.keys() | expected.keys()
                wrong += sum(found.get(path) != expected.get(path) for path in paths)
                print(
                    f"run {runs}: {killer.workers} workers, {killer.raylets} raylets and "
                    f"{killer.stages} stages killed so far; "
                    f"{hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]}",
                    flush=True,
                )
    return all(
        (
            report(
                "workers and raylets killed", killer.workers + killer.raylets, "at least", wanted
            ),
            report("stages killed", killer.stages, "at least", wanted // 4),
            report("files with other bytes", wrong, "at most", 0),
        )
    )


def main() -> None:
    """Reads the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--kills", type=int, nargs="?", const=20, default=0)
    mode.add_argument("--without-ray", action="store_true")
    arguments = parser.parse_args()
    if not INSTALLED and not arguments.without_ray:
        if sys.platform != "linux":
            sys.exit("Ray's nodes run only on Linux; --without-ray measures the others")
        sys.exit('Ray is not installed: python -m pip install -c constraints.txt -e ".[cluster]"')
    if not arguments.without_ray and len(os.sched_getaffinity(0)) < 2:
        sys.exit("Ray's nodes need a core each, and this machine has one; --without-ray needs none")
    if arguments.kills:
        sys.exit(0 if survive(arguments.megabytes, arguments.kills) else 1)
    contenders = CONTENDERS[:1] if arguments.without_ray else CONTENDERS
    sys.exit(0 if compare(arguments.megabytes, arguments.rounds, contenders) else 1)


if __name__ == "__main__":
    main()
