"""An exported model that llama.cpp runs, through llama-cpp-python: it reads as the decoder does.

Keys and values are float32 and attention is not fused, so that the logits are those of the model
that was exported, and the likeliest text is the same.
"""

import ctypes
import hashlib
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tohum.cached_decoder import common_start
from tohum.errors import UserError
from tohum.files import file_sha256

INSTALL = 'python -m pip install -c constraints.txt -e ".[llama-cpp]"'
FLOAT32, NOT_FUSED = 0, 0  # GGML_TYPE_F32, LLAMA_FLASH_ATTN_TYPE_DISABLED
MADE_OF = "tohum.model_sha256"  # in the file: of the model that was exported
SMALL = 100 << 20  # bytes of a file whose model is as fast on one thread


def model_sha256(lm: Path) -> str:
    """Returns the hash of a model's weights and tokenizer, from its folder."""
    files = (lm / "model.safetensors", lm / "tokenizer.json")
    return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()


class GgufDecoder:
    """The weights of a GGUF file, which any number of passages share.

    Raises:
        UserError: llama-cpp-python is not installed, or llama.cpp can't load the file.
    """

    def __init__(self, path: Path) -> None:
        self.library = library = imported_llama_cpp()
        if not path.is_file():
            raise UserError(f"{path} is missing. Run `tohum export`, which writes it.")
        parameters = library.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self.model = library.llama_model_load_from_file(str(path).encode(), parameters)
        if not self.model:
            raise UserError(f"llama.cpp can't load {path}. Run `tohum export` again.")
        weakref.finalize(self, library.llama_model_free, self.model)
        self.context = int(library.llama_model_n_ctx_train(self.model))
        self.words = int(library.llama_vocab_n_tokens(library.llama_model_get_vocab(self.model)))
        self.made_of = self._text(MADE_OF)
        self.threads = 1 if path.stat().st_size < SMALL else torch.get_num_threads()

    def _text(self, key: str) -> str:
        """Returns a value of the file's metadata; empty if it has none."""
        value = ctypes.create_string_buffer(256)
        size = self.library.llama_model_meta_val_str(self.model, key.encode(), value, len(value))
        return value.value.decode() if size > 0 else ""

    def passage(self) -> "GgufPassage":
        """Returns a place to read in."""
        return GgufPassage(self)


class GgufPassage:
    """A `tohum.cached_decoder.Reader` whose keys and values are llama.cpp's. Not thread-safe."""

    def __init__(self, decoder: GgufDecoder) -> None:
        self.decoder = decoder  # the context needs the model
        self.context = decoder.context
        self.ids: list[int] = []
        self._library = library = decoder.library
        parameters = library.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = decoder.context
        parameters.type_k = parameters.type_v = FLOAT32
        parameters.flash_attn_type = NOT_FUSED
        parameters.n_threads = parameters.n_threads_batch = decoder.threads
        self._state = library.llama_init_from_model(decoder.model, parameters)
        if not self._state:
            raise UserError(f"llama.cpp has no memory for {decoder.context} tokens.")
        weakref.finalize(self, library.llama_free, self._state)
        self._memory = library.llama_get_memory(self._state)

    def common(self, ids: Sequence[int]) -> int:
        """Returns how many of the first ids it has read already."""
        return common_start(self.ids, ids)

    def adopt(self, other: Any, count: int) -> None:
        """Does nothing: llama.cpp's contexts share no keys and values, and it reads again."""

    def logits(self, ids: Sequence[int]) -> Tensor:
        """As `Reader.logits`."""
        start = min(self.common(ids), len(ids) - 1)
        self.ids = []  # until it is done, nothing is certain
        self._library.llama_memory_seq_rm(self._memory, 0, start, -1)
        new = (ctypes.c_int32 * (len(ids) - start))(*ids[start:])
        batch = self._library.llama_batch_get_one(new, len(new))
        if failure := self._library.llama_decode(self._state, batch):
            raise RuntimeError(f"llama_decode returned {failure}")
        logits = self._library.llama_get_logits_ith(self._state, -1)
        self.ids = list(ids)
        size = self.decoder.words * ctypes.sizeof(ctypes.c_float)
        return torch.frombuffer(bytearray(ctypes.string_at(logits, size)), dtype=torch.float32)


def imported_llama_cpp() -> Any:
    """Returns llama-cpp-python's bindings, silent.

    Raises:
        UserError: it is not installed.
    """
    try:
        import llama_cpp
    except ImportError:
        raise UserError(
            f"llama-cpp-python is not installed. Run `{INSTALL}`, which compiles llama.cpp in "
            "minutes and needs a C++ compiler and cmake."
        ) from None
    llama_cpp.llama_log_set(_SILENT, None)
    return llama_cpp


# llama.cpp keeps a pointer to it, so it lives as long as the module.
_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
    lambda level, text, data: None
)
