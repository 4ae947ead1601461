"""How much memory a training step takes as the vocabulary grows.

    python -m benchmarks.train_memory

Takes steps of 4,096 tokens in float32 with one_hour's model and ever larger vocabularies, for this
project's network and transformers' Llama, each in its own process, and prints the peak memory above
what the process had before the first step.
"""

import argparse
import subprocess
import sys

import torch

from benchmarks.memory import peak_megabytes
from benchmarks.projects import PROJECT
from benchmarks.targets import report
from benchmarks.train import OURS, TRANSFORMERS, Steps, network_losses, transformers_losses
from stages.compose.checking import check
from stages.compose.composition import compose

VOCABULARIES = (2048, 8192, 32768)
STEP_TOKENS = 4096
LOSSES = {OURS: network_losses, TRANSFORMERS: transformers_losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", nargs=2, metavar=("NAME", "VOCABULARY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, vocabulary = arguments.step
        print(step_memory(name, int(vocabulary)))
        return
    taken = {
        (name, vocabulary): measured(name, vocabulary)
        for vocabulary in VOCABULARIES
        for name in LOSSES
    }
    for (name, vocabulary), megabytes in taken.items():
        print(f"{vocabulary:6,} entries  {name:14} {megabytes:6,.0f} MB")
    last = VOCABULARIES[-1]
    ratio = taken[TRANSFORMERS, last] / taken[OURS, last]
    sys.exit(0 if report("memory of transformers' / ours", ratio, "at least", 2.0) else 1)


def measured(name: str, vocabulary: int) -> float:
    """Returns the MB that steps take in their own process."""
    command = [sys.executable, "-m", "benchmarks.train_memory", "--step", name, str(vocabulary)]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def step_memory(name: str, vocabulary: int) -> float:
    """Returns the MB by which steps raise the peak of this process."""
    torch.set_num_threads(2)
    config = check(compose(PROJECT / "conf", ["model=one_hour"])).model
    losses = LOSSES[name](config, vocabulary)
    before = peak_megabytes()
    Steps(losses, STEP_TOKENS // config.context_length, config)
    return peak_megabytes() - before


if __name__ == "__main__":
    main()
