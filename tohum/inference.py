"""The trained model, ready for use: it continues a text, fills a gap, or answers."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tohum.decoding import (
    Prompt,
    Sampling,
    as_text,
    chat_prompt,
    middle_prompt,
    sample,
    text_prompt,
)
from tohum.errors import UserError
from tohum.formats.tokenizer import load_tokenizer, token_bytes

log = logging.getLogger(__name__)


class Continuation:
    """The pieces of a text as they come; then `ended` says whether the model ended it."""

    def __init__(self, ids: Generator[int, None, bool], vocabulary: list[bytes]) -> None:
        self.ended = False
        self._ids = ids
        self._vocabulary = vocabulary

    def __iter__(self) -> Iterator[str]:
        return as_text(self._watched(), self._vocabulary)

    def _watched(self) -> Iterator[int]:
        self.ended = yield from self._ids


class LanguageModel:
    """A model, ready for inference, with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.vocabulary = token_bytes(tokenizer)
        self.context = int(model.config.max_position_embeddings)

    def complete(self, prompt: str, sampling: Sampling, suffix: str | None = None) -> Continuation:
        """Returns what comes after the prompt or, with a suffix, between the two."""
        if suffix is None:
            return self._write(text_prompt(self.tokenizer, prompt), sampling)
        room = self._room(sampling)
        return self._write(middle_prompt(self.tokenizer, prompt, suffix, room), sampling)

    def answer(self, messages: list[dict[str, str]], sampling: Sampling) -> Continuation:
        """Returns the assistant's next words in a conversation of {role, content}."""
        room = self._room(sampling)
        return self._write(chat_prompt(self.tokenizer, messages, room), sampling)

    def _room(self, sampling: Sampling) -> int:
        """The number of ids a prompt may have so that there is room for the continuation."""
        return self.context - min(sampling.max_new_tokens, self.context // 2)

    def _write(self, prompt: Prompt, sampling: Sampling) -> Continuation:
        room = self.context + 1 - len(prompt.ids)  # the last id takes no place in the context
        if not prompt.may_outgrow and room < sampling.max_new_tokens:
            log.info(
                "at most %d of the %d tokens: the model's context ends there",
                room,
                sampling.max_new_tokens,
            )
        return Continuation(sample(self.model, prompt, sampling), self.vocabulary)


def load_language_model(folder: Path) -> LanguageModel:
    """Returns the trained model, on the GPU if there is one.

    Raises:
        UserError: there is no trained model.
    """
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} has no trained model. Run `dvc repro` first.")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    if torch.cuda.is_available():
        model = model.to("cuda")
    return LanguageModel(model.eval(), load_tokenizer(folder))
