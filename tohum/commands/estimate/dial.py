"""One dial: which model to train in so many minutes, for how many steps, of how many tokens.

Depth, from which a model's other sizes follow, grows with the seventh root of the operations of its
training, and the number of parameters with their power of 3/7: a little slower than with the square
root, which Hoffmann et al. 2022 (https://arxiv.org/abs/2203.15556) found for models that read 20
tokens a parameter. The default reads 2.6 and the presets for a GPU 10 to 20, and all are points of
the line; docs/training.md has what the default's neighbours gave. Tokens of a step grow with the
square root of all tokens, as the batch does beyond which more tokens a step gain little (Zhang et
al. 2024, https://arxiv.org/abs/2410.21676). The learning rate is left as it is, since Muon's holds
for any width.

The answer is a number of steps, not of minutes, so that the run can be repeated.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.compose.composition import compose, read_overrides
from stages.compose.corrections import parsed
from tohum.commands.estimate.prediction import predict
from tohum.commands.sweep.overrides import without
from tohum.errors import UserError

# Four layers are for 1.0e14 to 2.3e14 operations: the default takes 1.1e14, and in half of them,
# three layers were better.
LAYERS, OPERATIONS = 4, 1.5e14
TOKENS, TOKENS_PER_STEP = 5.9e6, 2048  # of the default

ROOT_OF_DEPTH, ROOT_OF_BATCH = 7, 2
MOST_MINUTES = 1e6  # two years
FEWEST_STEPS, ROUND_STEPS = 10, 10
ROUNDS = 3  # of measuring: a deeper model or larger steps may keep the device busier
# Overrides that choose what the dial would.
SIZES = ("num_layers", "hidden_size", "intermediate_size", "num_heads", "num_key_value_heads")
SIZED = {"model", *(f"model.{name}" for name in SIZES)}
BATCHED = {"train", "train.tokens_per_step", "train.micro_batch_tokens"}
ACCELERATORS = ("cuda", "mps")


def minutes_of(text: str) -> float:
    """Reads minutes, such as 30 or 0.5.

    Raises:
        UserError: something else.
    """
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes <= MOST_MINUTES:
        raise UserError(
            f"--minutes is {text!r}, expected a number above 0, such as 30 or 0.5, and at most "
            f"{MOST_MINUTES:,.0f}."
        )
    return minutes


def layers_for(operations: float) -> int:
    """Returns the blocks of the best model for so many operations of training.

    Args:
        operations: multiplications and additions, forward and backward, of all its tokens.
    """
    layers: float = LAYERS * (operations / OPERATIONS) ** (1 / ROOT_OF_DEPTH)
    return max(1, round(layers))


def tokens_per_step_for(tokens: float) -> int:
    """Returns the tokens of a step, a power of two, for a run that reads so many."""
    doublings = int(math.log2(max(1.0, tokens / TOKENS)) / ROOT_OF_BATCH)
    return TOKENS_PER_STEP << doublings


@dataclass
class Pace:
    """What training takes here: operations, tokens and seconds of one step."""

    operations: float
    tokens: int
    seconds: float


def overrides_for(
    minutes: float,
    overrides: list[str],
    measure: Callable[[list[str]], Pace],
) -> list[str]:
    """Returns the overrides that train for about so many minutes on this machine.

    They set the depth, unless params.yaml or `overrides` choose a model; the tokens of a step,
    unless these choose a preset of train or its batch; and the steps.

    Args:
        overrides: on top of those of params.yaml.
        measure: returns the pace of training with these overrides.

    Raises:
        UserError: the configuration is wrong, training can't be measured here, or hardly a step
            fits into the time.
    """
    given = [*read_overrides(Path("params.yaml")), *overrides]
    keys = {override.key_or_group for override in map(parsed, given) if override is not None}
    train = compose(Path("conf"), given)["train"]
    whole = has_accelerator(train["device"])
    seconds, now, fitting = 60 * minutes, measure(overrides), list[str]()
    for _ in range(ROUNDS):
        before, fitting, runs = fitting, [], seconds / now.seconds
        if not keys & SIZED:
            fitting.append(f"model.num_layers={layers_for(runs * now.operations)}")
        if not keys & BATCHED:
            tokens = tokens_per_step_for(runs * now.tokens)
            fitting.append(f"train.tokens_per_step={tokens}")
            if whole:  # in one piece, which is halved if memory lacks
                fitting.append(f"train.micro_batch_tokens={tokens}")
        if fitting == before:
            break
        now = measure([*overrides, *fitting])
    steps = int(seconds / now.seconds)
    if steps < FEWEST_STEPS:
        raise UserError(
            f"only {steps} steps of {now.tokens:,} tokens fit into --minutes {minutes:g}; "
            f"{FEWEST_STEPS} take {FEWEST_STEPS * now.seconds / 60:.2g} minutes. Allow more, or "
            "choose a smaller model, such as model.num_layers=1."
        )
    if steps > ROUND_STEPS**2:
        steps -= steps % ROUND_STEPS
    chosen = [*fitting, f"train.steps={steps}"]
    if "train.bfloat16_steps" in keys:
        chosen.append("train.bfloat16_steps=null")
    if train["minutes"] is not None:
        chosen.append("train.minutes=null")
    return chosen


def replaced(overrides: list[str], chosen: list[str]) -> list[str]:
    """Returns the overrides with the chosen ones in place of those of the same keys."""
    return [*without(overrides, [text.partition("=")[0] for text in chosen]), *chosen]


def has_accelerator(device: str) -> bool:
    """Whether a value of train.device means a GPU on this machine."""
    if device != "auto":
        return device in ACCELERATORS
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def pace(overrides: list[str], folder: Path) -> Pace:
    """Returns how fast this machine trains the configuration.

    Args:
        folder: where the samples of the data are, or will be.

    Raises:
        UserError: it can't be measured here.
    """
    training = predict(overrides, folder=folder).training
    if training is None or training.step_seconds is None:
        raise UserError(
            "training can't be measured here, so there is no telling what fits into --minutes: "
            f"`tohum estimate {' '.join(overrides)}` says what is missing."
        )
    tokens = training.tokens // training.steps
    return Pace(training.operations / training.steps, tokens, training.step_seconds)
