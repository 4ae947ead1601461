"""AdamW (https://arxiv.org/abs/1711.05101), for all parameters."""

from typing import Any

import torch

from stages.train.config import Train
from tohum.model.network import Network


def build(network: Network, config: Train) -> list[torch.optim.Optimizer]:
    """Returns the one optimiser."""
    rest = [each for each in network.parameters() if each is not network.embedding]
    return [adamw(network.embedding, rest, config)]


def adamw(
    embedding: torch.nn.Parameter, rest: list[torch.nn.Parameter], config: Train
) -> torch.optim.AdamW:
    """Returns AdamW for the embedding, at its share of the learning rate, and other parameters."""
    groups: list[dict[str, Any]] = [
        {"params": [embedding], "share": config.embedding_rate},
        {"params": rest},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
