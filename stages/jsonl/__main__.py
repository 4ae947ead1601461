"""Reads data/raw and conf/opt_out.txt; writes data/jsonl, metrics/jsonl.json and plots/jsonl.csv.

Run alone: `python -m stages.jsonl`.
"""

from pathlib import Path

from stages.process import run_stage


def main() -> None:
    # Worker processes import this module as well, and need neither pyarrow nor the rest of it.
    from stages.config import load, load_runtime
    from stages.jsonl.conversion import convert

    convert(
        load().jsonl,
        load_runtime(),
        raw=Path("data/raw"),
        out=Path("data/jsonl"),
        metrics=Path("metrics/jsonl.json"),
        plot=Path("plots/jsonl.csv"),
        opt_out=Path("conf/opt_out.txt"),
    )


if __name__ == "__main__":
    run_stage("jsonl", main)
