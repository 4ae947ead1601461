"""The architectures: each module here is one, named as in `model.architecture`.

A module defines what it computes differently from the others, and how transformers names the same
model. Adding a module is enough: the choices of the section `model` are the modules' names. Modules
import torch, so one is loaded when it is used, not to check a value; transformers, which takes a
second, only where its configuration is asked for.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor

    from tohum.model.config import Model

NAMES = tuple(sorted(module.name for module in iter_modules(__path__)))


class Architecture(Protocol):
    """What a module of this folder has."""

    def attention_scale(self, config: "Model") -> float:
        """Returns the factor on the products of queries and keys."""

    def prepared_heads(self, heads: "Tensor") -> "Tensor":
        """Returns queries or keys, (batch, length, heads, size), ready to be rotated."""

    def transformers_config(self, config: "Model", vocab_size: int) -> Any:
        """Returns transformers' configuration of the same model."""

    def transformers_weights(
        self, weights: "dict[str, Tensor]", config: "Model"
    ) -> "dict[str, Tensor]":
        """Returns a network's weights, by name, under transformers' names; norms without a gain are
        left out.
        """


def load_architecture(name: str) -> Architecture:
    """Returns an architecture by its name, one of NAMES."""
    return cast(Architecture, import_module(f"{__name__}.{name}"))
