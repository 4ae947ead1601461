"""The section `train` of the configuration."""

from dataclasses import dataclass
from typing import Any

from stages.train.optimizers import NAMES
from tohum.config.sections import limits
from tohum.errors import UserError

SHORTEST_WINDOW = 8  # tokens


@dataclass
class Train:
    """How the model is trained, and on what."""

    compile: bool
    seed: int = limits(minimum=0, maximum=2**32 - 1)
    steps: int | None = limits(minimum=1)
    bfloat16_steps: int | None = limits(minimum=1)
    minutes: float | None = limits(minimum=0.01)
    fim_share: float = limits(minimum=0, maximum=1)
    tokens_per_step: int = limits(minimum=8)
    micro_batch_tokens: int = limits(minimum=8)
    optimizer: str = limits(choices=NAMES)
    context_doublings: int = limits(minimum=0, maximum=16)
    context_growth_share: float = limits(minimum=0, maximum=1)
    learning_rate: float = limits(minimum=1e-8, maximum=10)
    embedding_rate: float = limits(minimum=1e-4, maximum=100)
    momentum: float = limits(minimum=0, maximum=0.9999)
    warmup_share: float = limits(minimum=0, maximum=1)
    cooldown_share: float = limits(minimum=0, maximum=1)
    weight_decay: float = limits(minimum=0, maximum=10)
    beta1: float = limits(minimum=0, maximum=0.9999)
    beta2: float = limits(minimum=0, maximum=0.999999)
    gradient_clip: float = limits(minimum=1e-6)
    log_every: int = limits(minimum=1)
    evaluate_every: int = limits(minimum=1)
    evaluate_tokens: int = limits(minimum=1)
    device: str = limits(choices=("cpu", "cuda", "mps", "auto"))
    precision: str = limits(choices=("float32", "bfloat16", "float16", "auto"))
    processes: int = limits(minimum=1, maximum=4096)
    sharding: str = limits(choices=("none", "full"))
    threads: int = limits(minimum=1, maximum=4096)

    def doublings(self, context_length: int) -> int:
        """Returns how often the windows double: as configured, or as often as leaves the first of
        SHORTEST_WINDOW tokens.
        """
        return min(self.context_doublings, (context_length // SHORTEST_WINDOW).bit_length() - 1)

    def steps_in(self, precision: str) -> int | None:
        """Returns the optimiser steps of a run in this precision; None if minutes end it."""
        in_bfloat16 = precision == "bfloat16" and self.bfloat16_steps is not None
        return self.bfloat16_steps if in_bfloat16 else self.steps

    def compiles(self, device: str, precision: str) -> bool:
        """Returns whether to use torch.compile: if configured, except in bfloat16 on a CPU, where
        `tohum.model.operations` and attention by blocks are faster than what it makes.

        Args:
            device: the type of one.
            precision: of the matrix products.
        """
        return self.compile and (device, precision) != ("cpu", "bfloat16")

    def require_shares(self, processes: int) -> None:
        """Raises a UserError if so many processes can't share the micro-batches of a step."""
        if self.tokens_per_step % (processes * self.micro_batch_tokens):
            several = f"{processes} processes x " if processes > 1 else ""
            raise UserError(
                f"train.tokens_per_step is {self.tokens_per_step}, expected a multiple of "
                f"{several}train.micro_batch_tokens ({self.micro_batch_tokens})."
            )

    def check(self, config: Any) -> None:
        """Raises a UserError if the values contradict each other or those of the model."""
        context_length = config.model.context_length
        if (self.steps is None) == (self.minutes is None):
            raise UserError(
                f"train.steps is {self.steps} and train.minutes is {self.minutes}: set one of them "
                "and make the other null (steps reproduce the same model; minutes fit the time "
                "you have)."
            )
        if self.bfloat16_steps is not None and self.steps is None:
            raise UserError(
                f"train.bfloat16_steps is {self.bfloat16_steps} and train.steps is null: set both, "
                "or make train.bfloat16_steps null."
            )
        for key, value in (
            ("tokens_per_step", self.tokens_per_step),
            ("micro_batch_tokens", self.micro_batch_tokens),
        ):
            if value % context_length:
                raise UserError(
                    f"train.{key} is {value}, expected a multiple of model.context_length "
                    f"({context_length})."
                )
        self.require_shares(self.processes)
        if self.device == "mps" and self.processes > 1:
            raise UserError(
                f"train.device is mps and train.processes is {self.processes}: an Apple GPU takes "
                "one process. Set train.processes=1."
            )
        if self.warmup_share + self.cooldown_share > 1:
            raise UserError(
                f"train.warmup_share ({self.warmup_share}) and train.cooldown_share "
                f"({self.cooldown_share}) add up to more than 1: lower one of them."
            )
