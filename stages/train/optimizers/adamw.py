"""AdamW (https://arxiv.org/abs/1711.05101), for all parameters."""

import torch

from stages.train.config import Train
from tohum.model.network import Network


def build(network: Network, config: Train) -> list[torch.optim.Optimizer]:
    """Returns the one optimiser."""
    return [adamw(list(network.parameters()), config)]


def adamw(parameters: list[torch.nn.Parameter], config: Train) -> torch.optim.AdamW:
    """Returns AdamW for the given parameters."""
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
