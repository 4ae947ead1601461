"""Reads data/tokens, models/tokenizer and conf/prompts.txt, writes models/lm, metrics/train.json
and plots/train.csv.

Run alone: `python -m stages.train`.
"""

from pathlib import Path

from stages.train.config import Train
from stages.train.launching import share_processor, start_processes
from tohum.config.loading import load
from tohum.config.runtime import load_runtime
from tohum.model.config import Model
from tohum.process import run_stage


def main() -> None:
    model, config, runtime = load("model", Model), load("train", Train), load_runtime()
    share_processor()
    start_processes(config.processes)
    from stages.train.training import (
        train,
    )  # torch takes seconds to import: a mistake in the values shows first

    train(
        model,
        config,
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
