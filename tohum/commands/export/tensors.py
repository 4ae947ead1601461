"""Arranges the weights as llama.cpp's graphs expect them.

In the rotary embedding, its `llama` pairs neighbouring rows of a head, transformers the two halves
(https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py, LlamaModel.permute). Its
`qwen3` pairs halves too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray
from safetensors import safe_open

Matrix = NDArray[numpy.float32]


def read_weights(path: Path, config: dict[str, Any]) -> Iterator[tuple[str, Matrix]]:
    """Yields each tensor with its name in transformers, without `.weight`.

    Args:
        path: model.safetensors.
        config: config.json.
    """
    heads = {
        "q_proj": config["num_attention_heads"],
        "k_proj": config["num_key_value_heads"],
    }
    with safe_open(path, framework="numpy") as file:
        for full_name in sorted(file.keys()):
            name = full_name.removesuffix(".weight")
            weight = file.get_tensor(full_name)
            part = name.rpartition(".")[2]
            if config["model_type"] == "llama" and part in heads:
                weight = neighbours(weight, heads[part])
            yield name, weight


def neighbours(weight: Matrix, heads: int) -> Matrix:
    """Returns the rows of each head, (heads * size, width), as pairs: halves a b c | d e f become a
    d b e c f.
    """
    width = weight.shape[1]
    return numpy.ascontiguousarray(
        weight.reshape(heads, 2, -1, width).swapaxes(1, 2).reshape(-1, width)
    )
