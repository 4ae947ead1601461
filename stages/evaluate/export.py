"""Exports the trained weights as the transformers model in models/lm.

The modules in `tohum.model.architectures` say which transformers model computes the same as a
network, and what its weights are called there; the logits are equal.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from tohum.files import write_json
from tohum.formats.chat_template import CHAT_TEMPLATE_FILE
from tohum.formats.special_tokens import END_ID, END_OF_TEXT_ID
from tohum.model.architectures import load_architecture
from tohum.model.config import Model

TOKENIZER_CONFIG = "tokenizer_config.json"


def transformers_model(config: Model, vocab_size: int) -> PreTrainedModel:
    """Returns a transformers model with random weights, in float32, without dropout."""
    configuration = load_architecture(config.architecture).transformers_config(config, vocab_size)
    model = AutoModelForCausalLM.from_config(configuration, attn_implementation="sdpa")
    assert isinstance(model, PreTrainedModel)
    # so that transformers' own `generate` and server end an answer too
    model.generation_config.eos_token_id = [END_OF_TEXT_ID, END_ID]
    return model


def export(weights: dict[str, Tensor], config: Model) -> PreTrainedModel:
    """Returns the transformers model, in evaluation mode, that computes the same as a network.

    Args:
        weights: the network's, by name.
        config: what the network was built from.
    """
    model = transformers_model(config, len(weights["embedding"]))
    renamed = load_architecture(config.architecture).transformers_weights(weights, config)
    left: Any = model.load_state_dict(renamed, strict=False)
    missing = [name for name in left.missing_keys if not name.endswith("norm.weight")]
    assert not left.unexpected_keys and missing in ([], ["lm_head.weight"])  # it is tied
    model.eval()
    return model


def write_model(model: PreTrainedModel, folder: Path, tokenizer_folder: Path) -> None:
    """Writes weights, configuration and tokenizer, which tells the model's context length."""
    model.save_pretrained(folder)
    for name in ("tokenizer.json", CHAT_TEMPLATE_FILE):
        shutil.copyfile(tokenizer_folder / name, folder / name)
    facts = json.loads((tokenizer_folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    # without it, transformers neither cuts a text that is too long nor warns about it
    facts["model_max_length"] = model.config.max_position_embeddings
    write_json(folder / TOKENIZER_CONFIG, facts)
