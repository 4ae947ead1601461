"""The trained weights as a model of transformers, which is what models/lm holds.

A network whose queries and keys are normed is a Qwen3, any other a Llama; both have names, shapes
and a rotary embedding on halves as `stages.train.network` computes it, so the logits are equal.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen3Config

from stages.train.network import NORM_EPSILON, matrix_parts
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID, PADDING_ID
from tohum.model.config import Model

ARCHITECTURES = {"llama": LlamaConfig, "qwen3": Qwen3Config}
NAMES = {  # of ours: those of transformers, in the order of their rows
    "query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "output": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}


def transformers_model(config: Model, vocab_size: int) -> PreTrainedModel:
    """Returns a model of transformers with random weights, in float32, and without dropout."""
    architecture = ARCHITECTURES[config.architecture](
        vocab_size=vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=config.hidden_size // config.num_heads,
        max_position_embeddings=config.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        rms_norm_eps=NORM_EPSILON,
        initializer_range=config.initializer_range,
        attention_dropout=0.0,
        tie_word_embeddings=True,
        bos_token_id=END_OF_TEXT_ID,
        eos_token_id=END_OF_TEXT_ID,
        pad_token_id=PADDING_ID,
    )
    model = AutoModelForCausalLM.from_config(architecture, attn_implementation="sdpa")
    assert isinstance(model, PreTrainedModel)
    # transformers' own `generate` and server then end an answer too
    model.generation_config.eos_token_id = [END_OF_TEXT_ID, END_ID]
    return model


def export(weights: dict[str, Tensor], config: Model) -> PreTrainedModel:
    """Returns the model of transformers, in evaluation mode, that computes what a network does.

    Args:
        weights: the network's, by name.
        config: what the network was built from.
    """
    model = transformers_model(config, len(weights["embedding"]))
    parts = matrix_parts(config)
    renamed = {"model.embed_tokens.weight": weights["embedding"]}
    for layer in range(config.num_layers):
        for name, theirs in NAMES.items():
            rows = weights[f"blocks.{layer}.{name}"].split(parts[name])
            for their_name, values in zip(theirs, rows, strict=True):
                renamed[f"model.layers.{layer}.{their_name}.weight"] = values
        if config.architecture == "qwen3":
            gains = torch.full((config.hidden_size // config.num_heads,), config.query_key_gain)
            renamed[f"model.layers.{layer}.self_attn.q_norm.weight"] = gains
    left: Any = model.load_state_dict(renamed, strict=False)
    missing = [name for name in left.missing_keys if not name.endswith("norm.weight")]
    assert not left.unexpected_keys and missing in ([], ["lm_head.weight"])  # which is tied
    model.eval()
    return model
