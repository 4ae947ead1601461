"""The optimisers of a network: AdamW for all, or Muon for the matrices and AdamW for the rest."""

from typing import Any

import torch

from stages.train.config import Train
from stages.train.muon import Muon
from stages.train.network import Network


def build_optimizers(network: Network, config: Train) -> list[torch.optim.Optimizer]:
    """Returns the optimisers of all parameters."""
    if config.optimizer == "adamw":
        return [_adamw(list(network.parameters()), config)]
    matrices = [
        (weight, network.parts[name])
        for block in network.blocks
        for name, weight in block.named_parameters()
    ]
    muon = Muon(matrices, config.learning_rate, config.momentum, config.weight_decay)
    return [muon, _adamw([network.embedding], config)]


def set_learning_rate(optimizers: list[Any], rate: float) -> None:
    """Sets the learning rate of the next step."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def _adamw(parameters: list[torch.nn.Parameter], config: Train) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
