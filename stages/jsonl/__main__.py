"""Reads data/raw, writes data/jsonl and metrics/jsonl.json. Run alone: `python -m stages.jsonl`."""

from pathlib import Path

from stages.config import load, load_runtime
from stages.jsonl.conversion import convert
from stages.process import run_stage


def main() -> None:
    convert(
        load().jsonl,
        load_runtime(),
        Path("data/raw"),
        Path("data/jsonl"),
        Path("metrics/jsonl.json"),
    )


if __name__ == "__main__":
    run_stage("jsonl", main)
