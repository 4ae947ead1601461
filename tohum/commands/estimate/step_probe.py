"""Takes a few training steps with a configured model, and measures them.

    python -m tohum.commands.estimate.step_probe < values.json

A process of its own, so that its memory is that of training. It reads the sections `model`, `train`
and `tokenizer` and prints what it measured: `token_seconds`, `step_seconds` (the optimisers'),
`parameters`, `precision`, the `share` of the configured micro-batch, and `before`, the bytes of
memory before the network was there.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
import psutil

from tohum.config.sections import read_section
from tohum.model.config import Model

STEPS = 5  # after one that chooses kernels
PATIENCE = 6.0  # seconds for a micro-batch: a larger one is measured on fewer windows


def main() -> None:
    print(json.dumps(measure(json.load(sys.stdin))))


def measure(values: dict[str, Any]) -> dict[str, Any]:
    """Returns what a step of the configured training takes on this machine."""
    from stages.train.batches import Windows
    from stages.train.config import Train
    from stages.train.gradients import Gradients
    from stages.train.optimizers import build_optimizers
    from stages.train.probe import faster_precision
    from stages.train.processes import Peers
    from tohum.formats.tokens import TokenSplit
    from tohum.model.determinism import set_determinism
    from tohum.model.network import Network

    before = int(psutil.Process().memory_info().rss)
    model = read_section("model", Model, values["model"])
    config = replace(read_section("train", Train, values["train"]), processes=1)
    entries, length = values["tokenizer"]["vocab_size"], model.context_length
    set_determinism(config.seed, config.threads)
    peers = Peers(config)
    ids = numpy.random.default_rng(0).integers(8, entries, 4 * length * 16, numpy.uint32)
    split = TokenSplit(ids, numpy.array([0, len(ids)], numpy.int64), 3 * len(ids))
    windows = Windows(split, length, config.seed, config.fim_share)
    network = Network(model, entries).to(peers.device)
    precision = config.precision
    if precision == "auto":
        precision = faster_precision(peers.device, model, config.micro_batch_tokens)
    gradients = Gradients(network, windows, config, peers, precision)
    optimizers = build_optimizers(network, config)

    def forward_backward(count: int) -> float:
        ids, targets = windows.batch(0, count)
        with gradients.cast():
            return seconds_of(
                lambda: network(ids.to(peers.device), targets.to(peers.device)).backward()
            )

    count = patient(gradients.micro_batch, lambda: forward_backward(1))
    computing, stepping = [], []
    for _ in range(1 + STEPS):
        computing.append(forward_backward(count) / (count * length))
        stepping.append(seconds_of(lambda: step(optimizers, gradients)))
        network.zero_grad()
    return {
        "token_seconds": statistics.median(computing[1:]),
        "step_seconds": statistics.median(stepping[1:]),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "precision": precision,
        "before": before,
        "share": count / gradients.micro_batch,
    }


def patient(most: int, one: Callable[[], float]) -> int:
    """Returns how many windows, at most `most`, take a few seconds, given what takes one."""
    one()
    return max(1, min(most, int(PATIENCE / max(one(), 1e-6))))


def seconds_of(work: Callable[[], object]) -> float:
    """Returns the seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def step(optimizers: list[Any], gradients: Any) -> None:
    """Takes a step with each optimiser."""
    with gradients.cast():
        for optimizer in optimizers:
            optimizer.step()


if __name__ == "__main__":
    main()
