"""Llama (https://arxiv.org/abs/2302.13971): exactly what `tohum.model.network` computes."""

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tohum.formats.special_tokens import END_OF_TEXT_ID, PADDING_ID
from tohum.model.config import Model
from tohum.model.layers import matrix_parts
from tohum.model.operations import NORM_EPSILON

if TYPE_CHECKING:
    from transformers import LlamaConfig

NAMES = {  # from our names to transformers', in the order of their rows
    "query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


def attention_scale(config: Model) -> float:
    """Returns one over the root of a head's size."""
    return 1 / math.sqrt(config.hidden_size // config.num_heads)


def prepared_heads(heads: Tensor) -> Tensor:
    """Returns the heads as they are."""
    return heads


def transformers_config(config: Model, vocab_size: int) -> "LlamaConfig":
    """Returns the configuration in float32, without dropout."""
    from transformers import LlamaConfig  # a second to import, which training does not need

    return LlamaConfig(**transformers_values(config, vocab_size))


def transformers_values(config: Model, vocab_size: int) -> dict[str, Any]:
    """Returns the values of the configuration, named alike in Llama and its descendants."""
    return {
        "vocab_size": vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.hidden_size // config.num_heads,
        "max_position_embeddings": config.context_length,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "rms_norm_eps": NORM_EPSILON,
        "initializer_range": config.initializer_range,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "bos_token_id": END_OF_TEXT_ID,
        "eos_token_id": END_OF_TEXT_ID,
        "pad_token_id": PADDING_ID,
    }


def transformers_weights(weights: dict[str, Tensor], config: Model) -> dict[str, Tensor]:
    """Returns the weights by transformers' names, each matrix on its own."""
    parts = matrix_parts(config)
    renamed = {"model.embed_tokens.weight": weights["embedding"]}
    for layer in range(config.num_layers):
        for name, theirs in NAMES.items():
            rows = weights[f"blocks.{layer}.{name}"].split(parts[name])
            for their_name, values in zip(theirs, rows, strict=True):
                renamed[f"model.layers.{layer}.{their_name}.weight"] = values
    return renamed
