"""llama.cpp, through cyllama: the engine that a GGUF file is for."""

from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

engine = pytest.importorskip("cyllama.llama.llama_cpp", reason="no wheel for this system")
engine.disable_logging()


class LoadedModel(engine.LlamaModel):  # type: ignore[misc, name-defined]
    @property
    def n_vocab(self) -> int:
        """Asked for by cyllama 0.2.18's own get_logits, but missing in its class."""
        return int(self.get_vocab().n_vocab)


def load(path: Path) -> LoadedModel:
    """Loads a GGUF file."""
    parameters = engine.LlamaModelParams()
    parameters.n_gpu_layers = 0
    return LoadedModel(str(path), parameters, verbose=False)


def token_ids(model: LoadedModel, text: str) -> list[int]:
    """What llama.cpp's own tokenizer makes of a text, with what it puts before it; the names of
    special tokens in it are text.
    """
    return list(model.get_vocab().tokenize(text, True, False))


def logits(model: LoadedModel, ids: list[int]) -> NDArray[numpy.float32]:
    """The logits (length, vocabulary) after each id.

    By default llama.cpp keeps keys and values in float16 and fuses attention; both are exact here.
    """
    float32, off = 0, 0  # GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters = engine.LlamaContextParams()
    parameters.n_ctx = parameters.n_batch = len(ids)
    parameters.type_k = parameters.type_v = float32
    parameters.flash_attn_type = off
    parameters.n_threads = parameters.n_threads_batch = 1
    context = engine.LlamaContext(model, parameters, verbose=False)
    rows = []
    for position, id in enumerate(ids):
        batch = engine.LlamaBatch(n_tokens=1, embd=0, n_seq_max=1)
        batch.add(id, position, [0], True)
        context.decode(batch)
        rows.append(context.get_logits())
    return numpy.array(rows, numpy.float32)
