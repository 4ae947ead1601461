"""The cost of each stage, from what was measured on samples and the sizes of what is to come.

A stage's seconds grow with the text, those of `tokenizer` with the different pretokens, whose
number grows as a power of the text (Heaps' law), as between the two samples. The memory of a stage
is that on the larger sample, and what grows with the pretokens: the constants below, measured on
corpora from 30 MB to 6 GB with 32,000 entries.
"""

import math
from dataclasses import dataclass, replace

from stages.train.config import Train
from tohum.commands.estimate.material import Material
from tohum.commands.estimate.measurements import STAGES, Measurements, TrialRun

FETCHED_PER_SECOND = 3_000  # files from a content store, at most: the work for each
START_SECONDS = 2.0  # of a process that does little
HEAPS = (0.5, 0.85)  # the exponents that text has
TOKENIZER_BYTES = 40  # of memory for a different pretoken
JSONL_MEMORY = 45_000_000  # bytes that jsonl's workers still grow by, over the first
JSONL_TEXT = 200_000_000  # bytes of text
DIGEST_BYTES = 100  # of memory for a document's hash, by which duplicates are found
ENCODE_BYTES = 12  # ... of the encoder's table of pretokens
RUN_BYTES = 600_000  # of memory for each run that pretokens merges
RUN_TEXT = 16_000_000  # bytes of text that give one
BASELINE_SECONDS = 32 / 44e6  # for a byte of training text: zstd, PPMd and the n-gram
BASELINE_MEMORY = 13  # bytes for each of them
COMPLETION_TOKENS = 15_000  # that evaluate writes, one by one, for its completions
WRITTEN_SECONDS = 0.002  # for each of them, of a model of two million parameters
WEIGHT_BYTES = 4
CHECKPOINT_WEIGHTS = 3  # the weights and two averages of each in a checkpoint


@dataclass(frozen=True)
class Cost:
    """What a stage takes: seconds, bytes of memory at its peak, bytes that its output keeps, bytes
    of unfinished work at its peak, and requests. `why` says what decides it.
    """

    stage: str
    seconds: float
    memory: int
    disk: int
    work: int
    why: str
    requests: int = 0


@dataclass(frozen=True)
class Training:
    """What the training will see."""

    steps: int
    tokens: int
    share: float  # of the training split; above 1 it reads some of it again
    tokens_per_parameter: float


def heaps_exponent(small: TrialRun, large: TrialRun) -> float:
    """Returns the power of the text with which different pretokens grow."""
    lowest, highest = HEAPS
    grown = math.log(large.different / small.different) / math.log(large.text / small.text)
    return min(highest, max(lowest, grown))


def pretokens_in(text: int, measures: Measurements) -> int:
    """Returns how many different pretokens so much text has."""
    exponent = heaps_exponent(measures.small, measures.large)
    return int(measures.large.different * (text / measures.large.text) ** exponent)


def line(small: tuple[float, float], large: tuple[float, float], at: float) -> float:
    """Returns where the line through two measured points is; a second that is hardly larger than
    the first is noise, so that the slope is at least a fifth of the larger point's own.
    """
    slope = max((large[1] - small[1]) / (large[0] - small[0]), large[1] / large[0] / 5)
    return max(0.0, large[1] + slope * (at - large[0]))


def data_costs(
    material: Material, measures: Measurements, bandwidth: float, sample_share: float
) -> list[Cost]:
    """Returns the costs of the stages from download to encode.

    Args:
        bandwidth: of the network, in bytes a second.
        sample_share: of the documents that pretokens counts.
    """
    text, counted = material.text_bytes, round(material.text_bytes * sample_share)
    different = pretokens_in(counted, measures)
    costs = {stage: _as_sampled(stage, text, measures) for stage in STAGES}
    fetching = material.network_bytes / bandwidth
    working = material.requests / FETCHED_PER_SECOND
    costs["download"] = replace(
        costs["download"],
        seconds=costs["download"].seconds + max(fetching, working),
        disk=material.raw_bytes,
        work=0,
        requests=material.requests,
        why=_why_download(material, fetching, working),
    )
    more = max(0, text - measures.large.text)
    costs["jsonl"] = replace(
        costs["jsonl"],
        memory=costs["jsonl"].memory
        + round(JSONL_MEMORY * min(1.0, more / JSONL_TEXT))
        + DIGEST_BYTES * max(0, material.documents - measures.large.documents),
    )
    costs["pretokens"] = _counted(costs["pretokens"], counted, different, measures)
    costs["tokenizer"] = _merged(different, measures)
    added = ENCODE_BYTES * max(0, pretokens_in(text, measures) - measures.large.different)
    costs["encode"] = replace(costs["encode"], memory=costs["encode"].memory + added)
    return list(costs.values())


def _as_sampled(stage: str, text: int, measures: Measurements) -> Cost:
    """Returns the cost of a stage that grows with the text alone."""
    small, large = measures.small.stages[stage], measures.large.stages[stage]
    grown = text / measures.large.text
    return Cost(
        stage,
        line((measures.small.text, small.seconds), (measures.large.text, large.seconds), text),
        large.memory,
        round(large.out * grown),
        round(large.work * grown),
        "the text",
    )


def _why_download(material: Material, fetching: float, working: float) -> str:
    if not material.requests:
        return "reading, hashing and copying"
    return "your network" if fetching > working else "the number of files to fetch"


def _counted(cost: Cost, counted: int, different: int, measures: Measurements) -> Cost:
    large, small = measures.large, measures.small
    before, after = small.stages["pretokens"], large.stages["pretokens"]
    grown = different / large.different
    runs = max(0, counted - large.text) // RUN_TEXT
    return replace(
        cost,
        seconds=line((small.text, before.seconds), (large.text, after.seconds), counted),
        memory=after.memory + RUN_BYTES * runs,
        disk=round(after.out * grown),
        work=round(max(after.work, after.out) * grown * 2),
        why="the text, and its different pretokens",
    )


def _merged(different: int, measures: Measurements) -> Cost:
    small, large = measures.small, measures.large
    before, after = small.stages["tokenizer"], large.stages["tokenizer"]
    return Cost(
        "tokenizer",
        line((small.different, before.seconds), (large.different, after.seconds), different),
        after.memory + TOKENIZER_BYTES * max(0, different - large.different),
        after.out,
        after.work,
        f"{different / 1e6:.1f} million different pretokens",
    )


def training_of(
    config: Train, measures: Measurements, text: int, validation_share: float
) -> Training:
    """Returns how long the training is and what it sees."""
    per_step = measures.steps
    steps = replace(config, steps=config.steps_in(per_step.precision)).steps
    if steps is None:
        assert config.minutes is not None
        steps = max(1, round(60 * config.minutes / step_seconds(config, measures)))
    tokens = steps * config.tokens_per_step
    there = measures.large.tokens * text / measures.large.text * (1 - validation_share)
    return Training(steps, tokens, tokens / max(1.0, there), tokens / per_step.parameters)


def step_seconds(config: Train, measures: Measurements) -> float:
    """Returns the seconds of a training step."""
    steps = measures.steps
    return config.tokens_per_step * steps.token_seconds + steps.step_seconds


def model_costs(
    config: Train,
    training: Training,
    measures: Measurements,
    text: int,
    validation_share: float,
    baseline_bytes: int,
) -> list[Cost]:
    """Returns the costs of train and evaluate."""
    steps = measures.steps
    weights = WEIGHT_BYTES * steps.parameters
    held_out = measures.large.tokens * text / measures.large.text * validation_share
    looks = training.steps // config.evaluate_every
    looking = 2 * min(config.evaluate_tokens, held_out) * steps.token_seconds / 3
    seconds = START_SECONDS + training.steps * step_seconds(config, measures) + looks * looking
    if config.minutes is not None and config.steps is None:
        seconds = START_SECONDS + 60 * config.minutes
    read = min(baseline_bytes, text)
    writing = COMPLETION_TOKENS * WRITTEN_SECONDS * max(1.0, steps.parameters / 2.3e6)
    evaluating = 2 * held_out * steps.token_seconds / 3 + read * BASELINE_SECONDS + writing
    return [
        Cost(
            "train",
            seconds,
            steps.before + round((steps.memory - steps.before) / steps.share),
            weights,
            CHECKPOINT_WEIGHTS * weights,
            f"{training.steps:,} steps of {config.tokens_per_step:,} tokens in {steps.precision}",
        ),
        Cost(
            "evaluate",
            4 * START_SECONDS + evaluating,
            round(steps.memory + BASELINE_MEMORY * read),
            weights,
            0,
            "the held-out text, and compressors that read the training text",
        ),
    ]
