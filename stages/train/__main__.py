"""Reads data/tokens and models/tokenizer, writes models/weights and plots/train.csv.

Run alone: `python -m stages.train`.
"""

from pathlib import Path

from stages.train.config import Train
from stages.train.launching import is_to_be_launched, train_in_processes
from tohum.config.loading import load
from tohum.config.runtime import load_runtime
from tohum.model.config import Model
from tohum.process import keep_freed_memory, run_stage, share_processor


def main() -> None:
    model, config, runtime = load("model", Model), load("train", Train), load_runtime()
    share_processor()
    if is_to_be_launched(config.processes):
        train_in_processes(config.processes)
    keep_freed_memory()
    from stages.train.pretraining import (
        train,
    )  # torch takes seconds to import; report wrong values first

    train(
        model,
        config,
        runtime,
        tokens=Path("data/tokens"),
        tokenizer_folder=Path("models/tokenizer"),
        out=Path("models/weights"),
        plot=Path("plots/train.csv"),
    )


if __name__ == "__main__":
    run_stage("train", main)
