"""What training and evaluation will take, from a few steps of the configured model."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

from stages.train.checkpoint import KEPT
from stages.train.display import operations_per_token
from tohum.commands.estimate.data_costs import Corpus, StageCost
from tohum.formats.tokens import token_dtype

MAPPED_BYTES = 1 << 16  # of a token file that the system maps at once, around a window
OFFSET_BYTES = 8  # of a document, in memory
WINDOW_MEMORY = 250  # bytes of a validation window in memory, without its ids
WEIGHT_BYTES = 4
BASELINE_MEMORY = 10  # bytes for each byte of text that a baseline reads; conf/evaluate
BASELINE_SECONDS = 0.75e-6  # of the processor, for each of them: zstd, PPMd and the n-gram together
HELD_OUT_MEMORY = 45  # bytes of a held-out token: its id as Python's number, and its text twice
HELD_OUT_SECONDS = 0.8e-6  # of the processor, for a held-out byte: xz -9e, and gzip -9
LONG_VALIDATION = 600.0  # seconds
PLACE_TOKENS = 300  # written at a place, as often as a line is begun anew
PROMPTS = 23  # of conf/prompts.txt
WRITTEN_PASSES = 20.0  # a token written alone takes as long as so many that are read together
FEW_TOKENS, ENOUGH_TOKENS = 10, 20  # per parameter; https://arxiv.org/abs/2203.15556 finds 20


@dataclass
class Training:
    """What a training run reads: steps, tokens, the share of the data (above 1: epochs), and tokens
    per parameter; its operations, and the seconds of a step, None if they were not measured.
    """

    parameters: int
    steps: int
    tokens: int
    epochs: float
    tokens_per_parameter: float
    bytes_read: int
    operations: float
    step_seconds: float | None


def parameters_of(config: SimpleNamespace) -> int:
    """Returns the parameters of the configured model, whose embedding is tied to its output."""
    model = config.model
    size = model.hidden_size // model.num_heads
    attention = model.hidden_size * size * (model.num_heads + 2 * model.num_key_value_heads)
    attention += model.hidden_size * model.num_heads * size
    block = attention + 3 * model.hidden_size * model.intermediate_size
    return int(config.tokenizer.vocab_size * model.hidden_size + model.num_layers * block)


def step_seconds(config: SimpleNamespace, rates: dict[str, float]) -> float:
    """Returns the seconds of one optimiser step."""
    tokens = int(config.train.tokens_per_step)
    return rates["token_seconds"] * tokens + rates["update_seconds"]


def training_of(
    config: SimpleNamespace, corpus: Corpus, rates: dict[str, float] | None, precision: str
) -> Training | None:
    """Returns what the run reads; None if the minutes decide it and no rates are known."""
    train, parameters = config.train, parameters_of(config)
    taken = None if rates is None else step_seconds(config, rates)
    steps = train.steps_in(precision)
    if steps is None:
        if taken is None:
            return None
        steps = max(1, int(60 * train.minutes / taken))
    tokens = steps * train.tokens_per_step
    held = corpus.tokens * (1 - config.encode.validation_share)
    per_token = corpus.text / max(1, corpus.tokens)
    return Training(
        parameters=parameters,
        steps=steps,
        tokens=tokens,
        epochs=tokens / max(1.0, held),
        tokens_per_parameter=tokens / parameters,
        bytes_read=round(tokens * per_token),
        operations=tokens * operations_per_token(config.model, config.tokenizer.vocab_size),
        step_seconds=taken,
    )


def train_cost(
    config: SimpleNamespace,
    corpus: Corpus,
    training: Training | None,
    rates: dict[str, float] | None,
) -> StageCost:
    """Returns what the stage train takes; without rates, what its minutes and sizes say."""
    train, parameters = config.train, parameters_of(config)
    weights = WEIGHT_BYTES * parameters
    checkpoint = rates["checkpoint"] if rates else 3 * weights
    minutes = train.minutes
    if rates is None:
        seconds = 60 * minutes if minutes else None
        memory = 0
    else:
        validation = 0.0
        if training is not None and minutes is None:
            validation = _validation_seconds(config, training.steps, rates)
        trained = (
            60 * minutes
            if minutes
            else step_seconds(config, rates) * (training.steps if training else 0)
        )
        seconds = rates["start_seconds"] + trained + validation
        if minutes is None:
            seconds += rates["compile_seconds"]
        memory = round(train_memory(config, corpus, training, rates))
    reads = ""
    if training is not None:
        reads = f"{training.tokens:,} tokens"
    return StageCost(
        "train",
        seconds,
        memory,
        weights,
        round(checkpoint * (KEPT + 1)),
        decided_by="train.minutes" if minutes else f"steps x tokens_per_step ({reads})",
    )


def train_memory(
    config: SimpleNamespace,
    corpus: Corpus,
    training: Training | None,
    rates: dict[str, float],
) -> float:
    """Returns the bytes that the process holds at most: what the probe held, the tokens of a whole
    micro-batch, and of the token file the part that is mapped.
    """
    more = config.train.micro_batch_tokens - rates["micro_batch"]
    length = config.model.context_length
    file = corpus.tokens * token_dtype(config.tokenizer.vocab_size).itemsize
    windows = training.tokens / length if training else math.inf
    held_out = corpus.tokens * config.encode.validation_share
    return float(
        rates["memory"]
        + max(0, more) * rates["token_memory"]
        + min(file, windows * MAPPED_BYTES)
        + OFFSET_BYTES * corpus.documents
        + WINDOW_MEMORY * 2 * held_out / length
    )


def _validation_seconds(config: SimpleNamespace, steps: int, rates: dict[str, float]) -> float:
    times = steps // int(config.train.evaluate_every)
    return times * int(config.train.evaluate_tokens) * 2 * rates["forward_seconds"]


def written_tokens(config: SimpleNamespace) -> int:
    """Returns about how many tokens the model writes while it is measured."""
    evaluate = config.evaluate
    return int(
        evaluate.completion_places * PLACE_TOKENS
        + evaluate.parse_prompts * evaluate.parse_tokens
        + PROMPTS * evaluate.completion_tokens
    )


def evaluate_cost(
    config: SimpleNamespace, corpus: Corpus, rates: dict[str, float] | None
) -> StageCost:
    """Returns what the stage evaluate takes."""
    parameters = parameters_of(config)
    held_out = corpus.tokens * config.encode.validation_share
    read = min(corpus.text, config.evaluate.baseline_bytes)
    seconds: float | None = None
    memory = BASELINE_MEMORY * read + HELD_OUT_MEMORY * held_out
    notes = []
    if rates is not None:
        bytes_held_out = corpus.text * config.encode.validation_share
        validation = 2 * held_out * rates["forward_seconds"]  # windows overlap by half
        validation += bytes_held_out * HELD_OUT_SECONDS
        if validation > LONG_VALIDATION:
            notes.append(
                f"{validation / 60:.0f} minutes of it are for {held_out:,.0f} held-out tokens: a "
                f"smaller encode.validation_share ({config.encode.validation_share:g}) measures as "
                "well"
            )
        seconds = (
            rates["start_seconds"]
            + validation
            + read * BASELINE_SECONDS
            + written_tokens(config) * WRITTEN_PASSES * rates["forward_seconds"]
        )
        memory += rates["memory"]
    return StageCost(
        "evaluate",
        seconds,
        round(memory),
        WEIGHT_BYTES * parameters,
        decided_by="held-out documents and baseline_bytes",
        notes=notes,
    )
