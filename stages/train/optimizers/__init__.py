"""The optimisers: each module in this folder is one, and its name is a value of `train.optimizer`.

A module has a function `build`. To add an optimiser, add a module here: the choices in the section
`train` are the module names. A module is only loaded when used, not to check a value, because it
imports torch.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from stages.train.config import Train
    from tohum.model.network import Network

NAMES = tuple(sorted(module.name for module in iter_modules(__path__)))


class OptimizerModule(Protocol):
    """What a module in this folder has."""

    def build(self, network: "Network", config: "Train") -> "list[Optimizer]":
        """Returns the optimisers of all parameters; the learning rate is set before each step."""


def build_optimizers(network: "Network", config: "Train") -> "list[Optimizer]":
    """Returns the optimisers that the section `train` asks for."""
    module = cast(OptimizerModule, import_module(f"{__name__}.{config.optimizer}"))
    return module.build(network, config)
