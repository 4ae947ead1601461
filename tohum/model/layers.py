"""What all architectures share: a block's matrices, and the angles of the position embedding."""

import torch
from torch import Tensor

from tohum.model.config import Model


def matrix_parts(config: Model) -> dict[str, list[int]]:
    """Returns the rows of each matrix stacked in each weight of a block, from the top."""
    size = config.hidden_size // config.num_heads
    keys = config.num_key_value_heads
    return {
        "query_key_value": [size * config.num_heads, size * keys, size * keys],
        "output": [config.hidden_size],
        "gate_up": [config.intermediate_size, config.intermediate_size],
        "down": [config.hidden_size],
    }


def rotation(config: Model) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines, (context_length, 1, size / 2), of the rotary position embedding
    (https://arxiv.org/abs/2104.09864).
    """
    size = config.hidden_size // config.num_heads
    frequencies = config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    angles = torch.outer(torch.arange(config.context_length, dtype=torch.float32), frequencies)
    return angles.cos()[:, None], angles.sin()[:, None]
