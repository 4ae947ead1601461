"""What `tohum estimate` says, beside what the stages then take.

    python -m benchmarks.estimate [--jsonl 300MB] [--train] [--ten-minutes]

Without an option: the data stages of the default run. --jsonl: also those of a file of so much
installed code, with 32,000 entries and min_frequency 3. --train: also the default's train and
evaluate, about ten minutes. --ten-minutes: also those of the presets ten_minutes. The estimate is
made first, so it knows nothing of the run. If other programs are running before the benchmark,
seconds by the clock are not judged.
"""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.code_corpus import write_corpus
from benchmarks.projects import PROJECT, write_values
from benchmarks.targets import report
from stages.pretokens.config import bytes_of
from tohum.commands.estimate.data_costs import StageCost
from tohum.commands.estimate.measurement import Measured, measure_stage
from tohum.commands.estimate.prediction import predict
from tohum.commands.estimate.sample_runs import BUSY, DATA_STAGES, other_load
from tohum.foresight import folder_bytes

OUTPUTS = {
    "download": "data/raw",
    "jsonl": "data/jsonl",
    "pretokens": "data/pretokens",
    "tokenizer": "models/tokenizer",
    "encode": "data/tokens",
    "train": "models/weights",
    "evaluate": "models/lm",
}
BYTES_RATIO, SECONDS_RATIO = 1.25, 1.5
FEW_SECONDS = 5.0  # a stage that takes less is not judged by its seconds: starting it decides
FEW_BYTES = 1_000_000  # nor is so small an output by its bytes
MOST_SECONDS = 36_000.0


@dataclass
class Compared:
    """A stage: what was said, and what it took."""

    cost: StageCost
    measured: Measured
    output: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jsonl", help="size of a data file, such as 2GB")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--ten-minutes", action="store_true")
    arguments = parser.parse_args()
    load = other_load()
    print(f"load before: {load:.1f} programs for each core", flush=True)
    quiet = load < BUSY
    trained = (*DATA_STAGES, "train", "evaluate")
    holds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stages = trained if arguments.train else DATA_STAGES
        holds.append(compare("default", folder / "default", [], stages, quiet))
        if arguments.jsonl:
            overrides = code_file(folder, bytes_of(arguments.jsonl))
            holds.append(compare(arguments.jsonl, folder / "jsonl", overrides, DATA_STAGES, quiet))
        if arguments.ten_minutes:
            overrides = ["model=ten_minutes", "train=ten_minutes"]
            holds.append(compare("ten_minutes", folder / "ten", overrides, trained, quiet))
    sys.exit(0 if all(holds) else 1)


def code_file(folder: Path, wanted: int) -> list[str]:
    """Writes a JSONL file of installed code, and returns the overrides that read it."""
    write_corpus(folder / "shards", wanted)
    path = folder / "code.jsonl"
    with path.open("wb") as whole:
        for shard in sorted((folder / "shards").glob("part-*.jsonl")):
            with shard.open("rb") as part:
                shutil.copyfileobj(part, whole)
            shard.unlink()
    return [
        "source=files",
        f"source.paths=[{path}]",
        "tokenizer.vocab_size=32000",
        "tokenizer.min_frequency=3",
    ]


def compare(
    name: str, root: Path, overrides: list[str], stages: tuple[str, ...], quiet: bool
) -> bool:
    """Estimates a run, runs it, and prints both; returns whether every target holds."""
    root.mkdir()
    write_values(root, overrides)
    (root / "params.yaml").write_text("overrides: []\n", encoding="utf-8")
    os.chdir(root)
    try:
        samples = root.with_name(f"{root.name}-samples")
        costs = {cost.stage: cost for cost in predict(overrides, folder=samples).costs}
    finally:
        os.chdir(PROJECT)
    rows = [
        Compared(
            costs[stage],
            measure_stage(root, stage, limit=MOST_SECONDS),
            folder_bytes(root / OUTPUTS[stage]),
        )
        for stage in stages
    ]
    shutil.rmtree(root)
    return show(name, rows, quiet)


def show(name: str, rows: list[Compared], quiet: bool) -> bool:
    """Prints the table and the targets; returns whether they hold."""
    heads = ("seconds", "of all cores", "MB of memory", "MB of disk")
    print(f"\n{name:12} " + " ".join(f"{head:>17}" for head in heads))
    print(f"{'':12} " + f"{'said':>8} {'took':>8} " * 4)
    for row in rows:
        cost, measured = row.cost, row.measured
        print(
            f"{cost.stage:12} {cost.seconds or 0:8.1f} {measured.seconds:8.1f} "
            f"{cost.processor:8.1f} {measured.processor:8.1f} "
            f"{cost.memory / 1e6:8.0f} {measured.memory / 1e6:8.0f} "
            f"{cost.output / 1e6:8.1f} {row.output / 1e6:8.1f}"
        )
    judged = [row for row in rows if row.measured.seconds >= FEW_SECONDS]
    said, took = (
        sum(row.cost.seconds or 0 for row in rows),
        sum(row.measured.seconds for row in rows),
    )
    worst = max(
        (times_off(row.cost.seconds or 0, row.measured.seconds) for row in judged), default=1.0
    )
    of_cores = [
        times_off(row.cost.processor, row.measured.processor)
        for row in rows
        if row.cost.processor and row.measured.processor >= FEW_SECONDS
    ]
    figures = {
        "seconds of all": (times_off(said, took) if quiet else None, SECONDS_RATIO),
        "seconds of a stage": (worst if quiet else None, SECONDS_RATIO),
        "seconds of all cores of a stage": (max(of_cores, default=1.0), SECONDS_RATIO),
        "memory": (
            max(times_off(row.cost.memory, row.measured.memory) for row in rows),
            BYTES_RATIO,
        ),
        "disk": (
            max(
                (times_off(row.cost.output, row.output) for row in rows if row.output > FEW_BYTES),
                default=1.0,
            ),
            BYTES_RATIO,
        ),
    }
    held = [
        report(f"{name}: {what}, times off", value, "at most", target)
        for what, (value, target) in figures.items()
    ]
    return all(held)


def times_off(said: float, took: float) -> float:
    """Returns by which factor a figure is off, in either direction."""
    if not said or not took:
        return float("inf")
    return max(said / took, took / said)


if __name__ == "__main__":
    main()
