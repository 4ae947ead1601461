"""What all architectures share: the norm, the rotary position embedding, a block's matrices."""

import torch
from torch import Tensor
from torch.nn import functional

from tohum.model.config import Model

NORM_EPSILON = 1e-6


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


def normed(states: Tensor) -> Tensor:
    """Divides by the root of the mean square over the last axis (https://arxiv.org/abs/1910.07467)."""
    return functional.rms_norm(states, states.shape[-1:], eps=NORM_EPSILON)


def rotation(config: Model) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines, (context_length, 1, size / 2), of the rotary position embedding
    (https://arxiv.org/abs/2104.09864).
    """
    size = config.hidden_size // config.num_heads
    frequencies = config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    angles = torch.outer(torch.arange(config.context_length, dtype=torch.float32), frequencies)
    return angles.cos()[:, None], angles.sin()[:, None]


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotates each head, (batch, length, heads, size), by its position; pairs halves, as Llama
    does.
    """
    one, two = heads.chunk(2, dim=-1)
    return torch.cat((one * cosines - two * sines, two * cosines + one * sines), dim=-1)
