"""Puts the estimate together: every stage's cost, whether this machine has it, and what to set."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

from stages.compose.checking import check
from stages.compose.composition import compose, read_overrides
from stages.pretokens.config import bytes_of
from tohum.commands.estimate.data_costs import Corpus, StageCost, corpus_of, data_costs
from tohum.commands.estimate.sample_runs import (
    Samples,
    kept,
    run_large,
    run_samples,
    run_training,
)
from tohum.commands.estimate.source_facts import SourceSize
from tohum.commands.estimate.source_samples import size_of_source
from tohum.commands.estimate.training_costs import (
    Training,
    evaluate_cost,
    parameters_of,
    train_cost,
    training_of,
)
from tohum.commands.printing import size_of
from tohum.config.runtime import Runtime, load_runtime
from tohum.errors import UserError
from tohum.foresight import keep_speeds
from tohum.sources.hub import HubSource
from tohum.workdir import project_root

DATA_SECTIONS = ("source", "jsonl", "pretokenizer", "tokenizer", "encode")
# Keys of train that change how long a step takes, beside the tokens of a step.
MEASURED = (
    "optimizer",
    "device",
    "precision",
    "compile",
    "threads",
    "micro_batch_tokens",
    "context_doublings",
    "context_growth_share",
)
SPARE = 0.1  # of the disk's free space, that is left for other things
TRAINED_BYTES = 3 * 4  # of a parameter: itself, its gradient, and a moment, in float32
COMPOSE_SECONDS, COMPOSE_MEMORY = 2.0, 60_000_000


@dataclass
class Prediction:
    """The whole estimate. `free` and `memory` are what this machine has, in bytes; `linked` is
    whether DVC's cache takes no disk of its own. `load` is how many programs wanted each core when
    the speeds were measured.
    """

    overrides: list[str]
    size: SourceSize
    corpus: Corpus
    costs: list[StageCost]
    training: Training | None
    precision: str
    free: int
    memory: int
    cores: int
    linked: bool
    load: float = 0.0

    @property
    def outputs(self) -> int:
        """Bytes of all outputs together."""
        return sum(cost.output for cost in self.costs)

    @property
    def cache(self) -> int:
        """Bytes that DVC's cache takes beside the outputs."""
        return 0 if self.linked else self.outputs

    @property
    def disk(self) -> int:
        """The most bytes at any time: the outputs so far, and what the stage at work holds."""
        return max((held for _, held in self.held()), default=0)

    def held(self) -> Iterator[tuple[StageCost, int]]:
        """Yields each stage with the bytes on the disk at its peak: the outputs so far, cached ones
        twice where links don't work, and its unfinished work.
        """
        so_far = 0
        for cost in self.costs:
            so_far += cost.output * (1 if self.linked else 2)
            yield cost, so_far + cost.work

    @property
    def seconds(self) -> float:
        """Of all stages whose time is known."""
        return sum(cost.seconds or 0.0 for cost in self.costs)

    @property
    def fits(self) -> bool:
        """Whether this machine has what every stage needs."""
        return not any(cost.problems for cost in self.costs)

    def as_json(self) -> dict[str, Any]:
        """Returns everything as plain values."""
        totals = {"disk": self.disk, "cache": self.cache, "seconds": self.seconds}
        return {**asdict(self), "totals": totals, "fits": self.fits}


def predict(overrides: list[str], as_if: int | None = None, *, folder: Path) -> Prediction:
    """Returns the estimate for conf/ with the overrides of params.yaml and these on top.

    Args:
        as_if: bytes that the source is taken to have; None: as many as it has.
        folder: where the samples of the data are, or will be, if they have to be read.

    Raises:
        UserError: the configuration is wrong, or the source can't be read.
    """
    every = [*read_overrides(Path("params.yaml")), *overrides]
    values = compose(Path("conf"), every)
    config, runtime = check(values), load_runtime()
    size = size_of_source(config.source)
    device, large = device_problem(config.train.device), size_problem(config)
    trains = not (device or large)
    samples, rates, load = _measured(values, config, size, runtime, folder, trains)
    if as_if is not None:
        samples, size = stretched(samples, size, as_if)
    cores = os.cpu_count() or 1
    corpus = corpus_of(samples, config)
    if size.contents:
        fetched = round(samples.large.fetched / corpus.share)
        size = replace(size, requests=size.requests - size.contents + fetched, contents=fetched)
    costs = [
        StageCost("compose", COMPOSE_SECONDS, COMPOSE_MEMORY, 4096),
        *data_costs(samples, config, runtime, cores, size.requests),
    ]
    if size.kept and isinstance(config.source, HubSource):
        costs[1].output = downloaded(size, samples, corpus)
    entries = config.tokenizer.vocab_size
    if corpus.share >= 1 and samples.large.reached < entries:
        said = f"the data gives only {samples.large.reached:,} of {entries:,} entries"
        next(cost for cost in costs if cost.stage == "tokenizer").notes.append(said)
    precision = str(rates["precision"]) if rates else "float32"
    training = training_of(config, corpus, rates, precision)
    costs.append(train_cost(config, corpus, training, rates))
    costs.append(evaluate_cost(config, corpus, rates))
    prediction = Prediction(
        overrides=every,
        size=size,
        corpus=corpus,
        costs=costs,
        training=training,
        precision=precision,
        free=shutil.disk_usage(project_root()).free,
        memory=psutil.virtual_memory().total,
        cores=cores,
        linked=cache_is_linked(),
        load=load,
    )
    judge(prediction, config, runtime, device)
    if large:
        next(cost for cost in costs if cost.stage == "train").problems.append(large)
    _keep_speeds(prediction)
    return prediction


def _measured(
    values: dict[str, Any],
    config: SimpleNamespace,
    size: SourceSize,
    runtime: Runtime,
    folder: Path,
    trains: bool,
) -> tuple[Samples, dict[str, Any] | None, float]:
    """Returns what the samples and the training steps took, now or earlier, and the machine's load
    then; nothing of training where this machine can't.
    """
    data = [values[name] for name in DATA_SECTIONS]
    facts = [data, asdict(size), runtime.workers]
    ran = kept("data", facts, lambda: asdict(run_samples(values, config, folder)))
    samples = Samples.read(ran.found)
    if not trains:
        return samples, None, ran.load
    train = {key: values["train"][key] for key in MEASURED}

    def steps() -> dict[str, Any]:
        root = folder / "large"
        if not root.is_dir():  # the samples are of an earlier time
            run_large(values, config, folder)
        return run_training(root, values)

    rates = kept("train", [values["model"], train, samples.large.reached], steps)
    return samples, rates.found, max(ran.load, rates.load)


def _keep_speeds(prediction: Prediction) -> None:
    """Keeps for the stages how fast they read."""
    corpus = prediction.corpus
    read = {"jsonl": corpus.raw, "pretokens": corpus.jsonl, "encode": corpus.jsonl}
    keep_speeds(
        {
            cost.stage: read[cost.stage] / cost.seconds
            for cost in prediction.costs
            if cost.stage in read and cost.seconds
        }
    )


def stretched(samples: Samples, size: SourceSize, as_if: int) -> tuple[Samples, SourceSize]:
    """Returns samples and size as those of a source of `as_if` bytes.

    Raises:
        UserError: the source itself has more.
    """
    if as_if < size.bytes:
        raise UserError(
            f"--bytes is {size_of(as_if)}, but the source has {size_of(size.bytes)}: it is for a "
            "source that will have more. Take less with source.max_bytes or source.max_rows."
        )
    times = size.bytes / as_if
    small, large = (replace(run, share=run.share * times) for run in (samples.small, samples.large))
    files, requests = round(size.files / times), round(size.requests / times)
    rows = None if size.rows is None else round(size.rows / times)
    kept, contents = round(size.kept / times), round(size.contents / times)
    grown = SourceSize(as_if, files, requests, rows, kept, contents)
    return replace(samples, small=small, large=large), grown


def downloaded(size: SourceSize, samples: Samples, corpus: Corpus) -> int:
    """Returns the bytes of data/raw for whole files of the Hub: they stay as they are listed, while
    the sample took its rows unpacked.
    """
    return max(size.kept, size.kept + corpus.raw - round(samples.large.tables / corpus.share))


def device_problem(device: str) -> str:
    """Returns why this machine can't train on a device; empty if it can."""
    if device in ("cpu", "auto"):
        return ""
    from tohum.model.devices import require_device

    try:
        require_device(device)
    except UserError as error:
        return str(error)
    return ""


def size_problem(config: SimpleNamespace) -> str:
    """Returns why this machine's memory can't hold the model in training; empty if it can. On
    another device, that device's memory decides.
    """
    count, there = parameters_of(config), psutil.virtual_memory().total
    needed = count * TRAINED_BYTES
    if config.train.device != "cpu" or needed <= there:
        return ""
    return (
        f"memory: {count:,} parameters take at least {size_of(needed)} in training, this machine "
        f"has {size_of(there)}. Lower model.hidden_size, model.num_layers or tokenizer.vocab_size."
    )


def cache_is_linked() -> bool:
    """Whether DVC's cache and the outputs are the same files: on one disk, where links work."""
    cache = Path(".dvc/cache")
    place = cache if cache.is_dir() else Path()
    return place.stat().st_dev == Path().stat().st_dev


def judge(prediction: Prediction, config: SimpleNamespace, runtime: Runtime, device: str) -> None:
    """Adds to the costs what this machine lacks, with the setting to change."""
    usable = prediction.free * (1 - SPARE)
    for cost, held in prediction.held():
        if held > usable:
            cost.problems.append(
                f"disk: {size_of(held)} by then, {size_of(prediction.free)} free. "
                f"{_less_disk(cost.stage, config)}"
            )
        if cost.memory > prediction.memory:
            cost.problems.append(
                f"memory: {size_of(cost.memory)}, this machine has "
                f"{size_of(prediction.memory)}. {_less_memory(cost.stage, config, runtime)}"
            )
    train = next(cost for cost in prediction.costs if cost.stage == "train")
    if device:
        train.problems.append(f"{device} train.device=auto takes the best there is.")
    train.notes += training_notes(prediction, config)


def training_notes(prediction: Prediction, config: SimpleNamespace) -> list[str]:
    """Returns what the run reads, and whether that is little or much for the model."""
    training = prediction.training
    if training is None:
        return [
            f"{parameters_of(config):,} parameters; how much it reads can only be measured on the "
            f"device ({config.train.device})"
        ]
    share = training.epochs
    read = f"{share:.1%} of the data" if share < 1 else f"the data {share:.1f} times"
    notes = [
        f"reads {size_of(training.bytes_read)} of text, {read}: {training.tokens:,} tokens, "
        f"{training.tokens_per_parameter:.1f} a parameter ({training.parameters:,} parameters, "
        f"{training.steps:,} steps)"
    ]
    if share < 0.1:
        notes.append(
            "most of the data is not read: less of it gives the same model in less time and disk "
            "(source.max_bytes, source.max_rows or jsonl.weight), or train longer (train.minutes)"
        )
    return notes


def _less_disk(stage: str, config: SimpleNamespace) -> str:
    if stage == "train":
        return "Take a smaller model (model.hidden_size), or free space: `dvc gc -w`."
    limits = [key for key in ("max_bytes", "max_rows") if hasattr(config.source, key)]
    less = " or ".join(f"source.{key}" for key in limits) or "jsonl.weight=0.5"
    return (
        f"Take less data ({less}), set jsonl.compression=zstd, or free space: `dvc gc -w` drops "
        "earlier results from the cache."
    )


def _less_memory(stage: str, config: SimpleNamespace, runtime: Runtime) -> str:
    match stage:
        case "jsonl" | "encode":
            return f"Lower `workers` in conf/runtime.yaml ({runtime.workers})."
        case "pretokens":
            return f"Lower pretokenizer.max_memory ({bytes_of(config.pretokenizer.max_memory):,})."
        case "tokenizer":
            return (
                "Lower pretokenizer.sample_share "
                f"({config.pretokenizer.sample_share:g}): fewer different pretokens."
            )
        case "train":
            return (
                f"Lower train.micro_batch_tokens ({config.train.micro_batch_tokens}) or the "
                "model's sizes."
            )
        case "evaluate":
            return f"Lower evaluate.baseline_bytes ({config.evaluate.baseline_bytes:,})."
    return "Take less data."
