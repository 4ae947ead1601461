"""The model and its optimiser, built from the configuration."""

import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, set_seed

from stages.config import Model, Train
from stages.special_tokens import END_OF_TEXT_ID, PADDING_ID


def set_determinism(config: Train) -> None:
    """Fixes what makes floating-point results differ between two runs on one kind of processor."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(config.threads)  # the order of a parallel sum depends on it
    set_seed(config.seed)


def processor() -> str:
    """Returns what kind of processor computes: runs on one kind give the same bytes."""
    vendor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        fields = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
        vendor = next(
            (value.strip() for key, _, value in fields if key.strip() == "vendor_id"), vendor
        )
    return f"{platform.machine()} {vendor} {torch.backends.cpu.get_cpu_capability()}"


def build_model(config: Model, vocab_size: int) -> PreTrainedModel:
    """Returns a freshly initialised Llama with tied embeddings and no dropout, in float32."""
    architecture = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_key_value_heads,
        max_position_embeddings=config.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        initializer_range=config.initializer_range,
        attention_dropout=0.0,
        tie_word_embeddings=True,
        bos_token_id=END_OF_TEXT_ID,
        eos_token_id=END_OF_TEXT_ID,
        pad_token_id=PADDING_ID,
    )
    model = AutoModelForCausalLM.from_config(architecture, attn_implementation="sdpa")
    assert isinstance(model, PreTrainedModel)
    return model


def build_optimizer(model: PreTrainedModel, config: Train) -> torch.optim.AdamW:
    """Returns AdamW with weight decay on the matrices, and none on the gains of the norms."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True
    )


def token_losses(model: Any, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns the negative log-likelihood, in nats, of each target: the shape of `targets`,
    float32.

    Targets of -100 count as zero.
    """
    logits = model(input_ids=inputs, use_cache=False).logits.float()
    return functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none"
    ).view_as(targets)
