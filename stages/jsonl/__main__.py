"""Reads data/raw and conf/opt_out.txt; writes data/jsonl, metrics/jsonl.json and plots/jsonl.csv.

Run alone: `python -m stages.jsonl`.
"""

from pathlib import Path

from tohum.process import run_stage


def main() -> None:
    # Worker processes import this module too, but need neither pyarrow nor the rest.
    from stages.jsonl.config import Jsonl
    from stages.jsonl.conversion import convert
    from tohum.config.loading import load
    from tohum.config.runtime import load_runtime

    convert(
        load("jsonl", Jsonl),
        load_runtime(),
        raw=Path("data/raw"),
        out=Path("data/jsonl"),
        metrics=Path("metrics/jsonl.json"),
        plot=Path("plots/jsonl.csv"),
        opt_out=Path("conf/opt_out.txt"),
        fewest=2,  # the stage encode holds one out for validation
    )


if __name__ == "__main__":
    run_stage("jsonl", main)
