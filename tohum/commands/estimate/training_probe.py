"""Takes a few training steps of the configured model and prints what they took, as JSON.

    python -m tohum.commands.estimate.training_probe

Runs in a project with params.lock.yaml, data/tokens and models/tokenizer; `tohum estimate` makes
one from a sample of the data. It steps as the stage train does, with as many tokens as take a
second, and writes a checkpoint.
"""

import json
import os
import shutil
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import torch

from stages.train.checkpoint import Checkpoint, checkpoints, save_checkpoint
from stages.train.compiled_blocks import compile_blocks
from stages.train.config import Train
from stages.train.display import operations_per_token
from stages.train.probe import allow_tf32, faster_precision, matrix_peak
from stages.train.processes import whole_states, whole_weights
from stages.train.run import Run
from stages.train.schedule import context_halvings
from tohum.config.loading import load
from tohum.config.runtime import load_runtime
from tohum.model.config import Model
from tohum.model.determinism import set_determinism
from tohum.process import keep_freed_memory

PROBE_STEPS = 6
SCHEDULE_PLACES = 1000  # of a run, at which its windows are looked up
STEP_SECONDS = 1.0  # about what one step of the probe may take
EFFICIENCY = 0.8  # of threads that share a step; the rest of the time they wait for each other
UTILISATION = 0.3  # share of the peak that a step reaches at least, with more to do than to move


@dataclass
class TrainingRates:
    """What training takes on this machine.

    Attributes:
        parameters: of the model.
        precision: of the matrix products.
        token_seconds: for the gradients of one token, on average over a run whose windows grow.
        update_seconds: for the optimisers' part of a step.
        forward_seconds: for one token in evaluation, in float32.
        memory: bytes that the process holds at most with `micro_batch` tokens at once.
        token_memory: bytes more for each token more.
        micro_batch: tokens.
        checkpoint: bytes of one on disk.
        compile_seconds: before the first step.
        start_seconds: of the processor, until the data and the model are loaded.
    """

    parameters: int
    precision: str
    token_seconds: float
    update_seconds: float
    forward_seconds: float
    memory: int
    token_memory: float
    micro_batch: int
    checkpoint: int
    compile_seconds: float
    start_seconds: float


def fitting_windows(config: Train, model: Model, vocab_size: int, peak: float) -> int:
    """Returns how many windows of a micro-batch take about STEP_SECONDS, at least one."""
    operations = operations_per_token(model, vocab_size) * model.context_length
    fitting = int(STEP_SECONDS * UTILISATION * peak / operations)
    return max(1, min(fitting, config.micro_batch_tokens // model.context_length))


def measure_training(model: Model, config: Train, root: Path) -> TrainingRates:
    """Takes the steps in the project at `root`."""
    set_determinism(config.seed, config.threads)
    config = replace(config, processes=1, sharding="none")
    tokens, tokenizer = root / "data/tokens", root / "models/tokenizer"
    run = Run(model, config, load_runtime(root / "conf/runtime.yaml"), tokens, tokenizer)
    start_seconds = time.process_time()
    gradients, vocab_size = run.gradients, len(run.network.embedding)
    precision = config.precision
    if precision == "auto":
        precision = faster_precision(run.device, model, config.micro_batch_tokens)
        allow_tf32()
    peak = matrix_peak(run.device, precision)
    windows = fitting_windows(config, model, vocab_size, peak)
    gradients.precision, gradients.micro_batch, gradients.share = precision, 1, 1
    doublings = config.doublings(model.context_length)
    started = time.perf_counter()
    compiles = config.compiles(run.device.type, precision)
    if compiles:
        gradients.micro_batch = windows
        compile_blocks(run.network, lambda: gradients.try_out(run.network))
    compile_seconds = time.perf_counter() - started
    before = held()
    gradients.micro_batch = gradients.share = windows
    _step(run, 0)  # allocates
    stepped = held()
    passes, updates = zip(*(_step(run, number) for number in range(1, PROBE_STEPS)), strict=True)
    short = [_step(run, number, doublings)[0] for number in range(PROBE_STEPS if doublings else 0)]
    checkpoint = _checkpoint_bytes(run, root / "checkpoint")
    read = windows * model.context_length
    return TrainingRates(
        parameters=sum(weight.numel() for weight in run.network.parameters()),
        precision=precision,
        token_seconds=mean_seconds(min(passes), min(short, default=0.0), config, doublings) / read,
        update_seconds=min(updates),
        forward_seconds=_forward_seconds(run, windows),
        memory=held(),
        token_memory=max(0, stepped - before) / read,
        micro_batch=read,
        checkpoint=checkpoint,
        compile_seconds=compile_seconds * (1 + doublings) if compiles else 0.0,
        start_seconds=start_seconds,
    )


def mean_seconds(whole: float, short: float, config: Train, doublings: int) -> float:
    """Returns the seconds of a micro-batch, on average over a run.

    They rise with the length of its windows as a straight line does, since each token looks at half
    of those before it.

    Args:
        whole: seconds with windows of the whole length.
        short: with the shortest.
        doublings: of the windows, from the shortest to the whole length.
    """
    if not doublings:
        return whole
    least, growth = 2.0**-doublings, config.context_growth_share
    length = statistics.mean(
        2.0 ** -context_halvings(place / SCHEDULE_PLACES, doublings, growth)
        for place in range(SCHEDULE_PLACES)
    )
    return short + (whole - short) * (length - least) / (1 - least)


def _step(run: Run, number: int, halvings: int = 0) -> tuple[float, float]:
    """Takes a step as `Run` does; returns the seconds of its gradients and of the update."""
    started = Clock(run)
    run.gradients.compute(number, halvings=halvings)
    passed = started.seconds()
    updating = Clock(run)
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), run.config.gradient_clip)
    with run.gradients.cast():
        for optimizer in run.optimizers:
            optimizer.step()
    run.network.zero_grad()
    return passed, updating.seconds()


class Clock:
    """Seconds on a device. On a processor that other programs use too, the threads' own time says
    more than a clock on the wall; the smaller of the two counts.
    """

    def __init__(self, run: Run) -> None:
        self.device, self.threads = run.device, run.config.threads
        self.wall, self.spent = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """Returns the seconds since the clock was made."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        wall, spent = time.perf_counter() - self.wall, time.process_time() - self.spent
        if self.device.type != "cpu":
            return wall
        return min(wall, spent / min(self.threads, os.cpu_count() or 1) / EFFICIENCY)


def _forward_seconds(run: Run, windows: int) -> float:
    """Returns the seconds of one token in float32 without gradients, as evaluate computes it."""
    ids = torch.zeros((windows, run.length), dtype=torch.int64, device=run.device)
    run.network.eval()
    best = float("inf")
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        for _ in range(3):
            clock = Clock(run)
            run.network(ids, ids)
            best = min(best, clock.seconds())
    run.network.train()
    return best / ids.numel()


def _checkpoint_bytes(run: Run, folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    weights = whole_weights(run.network)
    states = whole_states(run.network, run.optimizers)
    save_checkpoint(folder, Checkpoint(weights, states, run.state))
    return sum(path.stat().st_size for path in checkpoints(folder))


def held() -> int:
    """Returns the most bytes that this process has held; where the system does not say, what it
    holds now.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return int(psutil.Process().memory_info().rss)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main() -> None:
    keep_freed_memory()  # as the stage train does
    rates = measure_training(load("model", Model), load("train", Train), Path())
    print(json.dumps(asdict(rates)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
