"""The architectures: each module of this folder is one, and its name is a value of
`model.architecture`.

A module says what it computes differently from the others, and how transformers calls the same
model. Adding one here is all: the choices of the section `model` are the names of the modules. They
import torch and transformers, so that one is loaded when it is used, and not to check a value.
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
        """Returns the factor of the products of queries and keys."""

    def prepared_heads(self, heads: "Tensor") -> "Tensor":
        """Returns queries or keys, (batch, length, heads, size), as they are rotated."""

    def transformers_config(self, config: "Model", vocab_size: int) -> Any:
        """Returns the configuration of the same model in transformers."""

    def transformers_weights(
        self, weights: "dict[str, Tensor]", config: "Model"
    ) -> "dict[str, Tensor]":
        """Returns a network's weights, by name, under the names of transformers; norms without a
        gain are left out.
        """


def load_architecture(name: str) -> Architecture:
    """Returns an architecture by its name, one of NAMES."""
    return cast(Architecture, import_module(f"{__name__}.{name}"))
