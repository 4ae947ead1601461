"""Writes a trained model as one GGUF file, a format of tensors and named values.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy

from tohum.commands.export.tensors import read_weights
from tohum.commands.export.vocabulary import Vocabulary, read_vocabulary
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.formats.chat_template import CHAT_TEMPLATE_FILE
from tohum.formats.special_tokens import (
    END_ID,
    END_OF_TEXT_ID,
    MIDDLE_ID,
    PADDING_ID,
    PREFIX_ID,
    SUFFIX_ID,
)
from tohum.gguf_decoder import MADE_OF, model_sha256
from tohum.pretokenization.patterns import gpt4_pattern

FILES = ("config.json", "model.safetensors", "tokenizer.json", CHAT_TEMPLATE_FILE)


def write_gguf(lm: Path, out: Path, dtype: str) -> list[str]:
    """Writes the model in `lm` to the file `out` and returns what to say about it.

    Args:
        lm: models/lm.
        out: the file.
        dtype: of the matrices, float32 or float16; the norms, which are vectors, stay float32.

    Raises:
        UserError: there is no trained model, llama.cpp does not support its tokenizer, or the
            package gguf is missing.
    """
    for name in FILES:
        if not (lm / name).is_file():
            raise UserError(f"{lm / name} is missing. Run `dvc repro`, which trains the model.")
    gguf = imported_gguf()
    vocabulary = read_vocabulary(lm / "tokenizer.json")
    config = json.loads((lm / "config.json").read_text(encoding="utf-8"))
    architecture = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}
    names = gguf.get_tensor_name_map(
        architecture[config["model_type"]], config["num_hidden_layers"]
    )
    with atomic_write(out) as file:
        # The writer opens the file again by name, and closes it before it is renamed.
        writer = gguf.GGUFWriter(file.name, config["model_type"])
        float16 = dtype == "float16"
        writer.add_file_type(
            gguf.LlamaFileType.MOSTLY_F16 if float16 else gguf.LlamaFileType.ALL_F32
        )
        writer.add_string(MADE_OF, model_sha256(lm))
        add_shape(writer, config)
        add_tokenizer(writer, vocabulary, gguf.TokenType)
        writer.add_chat_template(plain_template((lm / CHAT_TEMPLATE_FILE).read_text("utf-8")))
        for name, weight in read_weights(lm / "model.safetensors", config):
            matrix = weight.ndim == 2 and float16
            stored = weight.astype(numpy.float16 if matrix else numpy.float32, copy=False)
            writer.add_tensor(f"{names[name]}.weight", stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return [f"{out}: {out.stat().st_size:,} bytes, {dtype}", *caveats(vocabulary)]


def imported_gguf() -> Any:
    """Returns the package gguf.

    Raises:
        UserError: it is not installed.
    """
    try:
        import gguf
    except ImportError:
        raise UserError(
            "the package gguf is not installed. Run "
            '`python -m pip install -c constraints.txt -e ".[gguf]"`.'
        ) from None
    logging.getLogger("gguf").setLevel(logging.WARNING)
    return gguf


def add_shape(writer: Any, config: dict[str, Any]) -> None:
    """Adds the values of config.json."""
    writer.add_name("tohum")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def add_tokenizer(writer: Any, vocabulary: Vocabulary, types: Any) -> None:
    """Adds the tokenizer, and the ids that end, pad and order a text.

    Every training document began with `<|endoftext|>`, so llama.cpp puts it before a prompt.
    """
    writer.add_tokenizer_model("gpt2")  # byte-level BPE
    writer.add_tokenizer_pre(vocabulary.pretokenizer)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(
        [
            types.CONTROL if id in vocabulary.special else types.NORMAL
            for id in range(len(vocabulary.tokens))
        ]
    )
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(END_OF_TEXT_ID)
    writer.add_eos_token_id(END_OF_TEXT_ID)
    writer.add_eot_token_id(END_ID)
    writer.add_pad_token_id(PADDING_ID)
    writer.add_add_bos_token(True)
    writer.add_uint32("tokenizer.ggml.fim_pre_token_id", PREFIX_ID)
    writer.add_uint32("tokenizer.ggml.fim_suf_token_id", SUFFIX_ID)
    writer.add_uint32("tokenizer.ggml.fim_mid_token_id", MIDDLE_ID)


def plain_template(template: str) -> str:
    """Returns a chat template without `{% generation %}`, a tag that only transformers knows.

    It marks words for the training loss and outputs nothing.
    """
    return re.sub(r"\{%-? *(end)?generation *-?%\}", "", template)


def caveats(vocabulary: Vocabulary) -> list[str]:
    """Returns what the user should know about llama.cpp's tokens."""
    if vocabulary.equal:
        return []
    return [
        "llama.cpp tokenizes numbers of three digits or more differently from this tokenizer: it "
        "has no pattern that cuts digits into groups of one or two. All other text gives the same "
        "ids. For equal ids everywhere, train with pretokenizer=gpt2, or with this "
        "pretokenizer.pattern:",
        gpt4_pattern(3),
    ]
