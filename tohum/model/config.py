"""The section `model` of the configuration."""

from dataclasses import dataclass
from typing import Any

from tohum.config.sections import limits
from tohum.errors import UserError
from tohum.model.architectures import NAMES

INITIALIZATIONS = ("normal", "copying")  # of tohum.model.initial_weights


@dataclass
class Model:
    """The model's architecture and sizes."""

    architecture: str = limits(choices=NAMES)
    hidden_size: int = limits(minimum=8, maximum=65_536)
    intermediate_size: int = limits(minimum=8)
    num_layers: int = limits(minimum=1, maximum=1024)
    num_heads: int = limits(minimum=1)
    num_key_value_heads: int = limits(minimum=1)
    context_length: int = limits(minimum=8, maximum=2**20)
    rope_theta: float = limits(minimum=1)
    query_key_gain: float = limits(minimum=0.01, maximum=100)
    initialization: str = limits(choices=INITIALIZATIONS)
    initializer_range: float = limits(minimum=0)

    def check(self, _: Any) -> None:
        """Raises a UserError if the heads don't divide the sizes."""
        if self.hidden_size % (2 * self.num_heads):
            raise UserError(
                f"model.hidden_size is {self.hidden_size}, expected a multiple of 2 x "
                f"model.num_heads ({2 * self.num_heads}), so that every head has an even size."
            )
        if self.num_heads % self.num_key_value_heads:
            raise UserError(
                f"model.num_heads is {self.num_heads}, expected a multiple of "
                f"model.num_key_value_heads ({self.num_key_value_heads})."
            )
