"""Reads data/tokens, models/tokenizer and conf/prompts.txt, writes models/lm, metrics/train.json
and plots/train.csv.

Run alone: `python -m stages.train`.
"""

from pathlib import Path

from stages.config import load, load_runtime
from stages.process import run_stage
from stages.train.launching import share_processor, start_processes


def main() -> None:
    config, runtime = load(), load_runtime()
    share_processor()
    start_processes(config.train.processes)
    from stages.train.training import (
        train,
    )  # torch takes seconds to import: a mistake in the values shows first

    train(
        config.model,
        config.train,
        runtime,
        tokens=Path("data/tokens"),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path("models/lm"),
        metrics=Path("metrics/train.json"),
        plot=Path("plots/train.csv"),
        prompts=Path("conf/prompts.txt"),
    )


if __name__ == "__main__":
    run_stage("train", main)
