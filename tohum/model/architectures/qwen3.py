"""Qwen3 (https://arxiv.org/abs/2505.09388): a Llama whose queries and keys are normed.

Normed queries and keys have a fixed length, so `model.query_key_gain` sets how sharp attention can
be. Here it is a fixed factor on the products; transformers has a gain in the norm of the queries
and one in that of the keys.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tohum.model.architectures import llama
from tohum.model.config import Model
from tohum.model.operations import normed

if TYPE_CHECKING:
    from transformers import Qwen3Config


def attention_scale(config: Model) -> float:
    """Returns the gain over the root of a head's size."""
    return config.query_key_gain / math.sqrt(config.hidden_size // config.num_heads)


def prepared_heads(heads: Tensor) -> Tensor:
    """Returns the heads, each normed."""
    return normed(heads)


def transformers_config(config: Model, vocab_size: int) -> "Qwen3Config":
    """Returns the configuration in float32, without dropout."""
    from transformers import Qwen3Config

    return Qwen3Config(**llama.transformers_values(config, vocab_size))


def transformers_weights(weights: dict[str, Tensor], config: Model) -> dict[str, Tensor]:
    """Returns Llama's weights, and the gain as that of the queries' norm."""
    renamed = llama.transformers_weights(weights, config)
    size = config.hidden_size // config.num_heads
    for layer in range(config.num_layers):
        name = f"model.layers.{layer}.self_attn.q_norm.weight"
        renamed[name] = torch.full((size,), config.query_key_gain)
    return renamed
