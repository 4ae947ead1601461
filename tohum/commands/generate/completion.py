"""What the trained model writes, in each of the modes: a text, a middle, an answer."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tohum.commands.generate.config import Generate
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
    """The pieces of a text as they come; `ended` says, after the last, whether the model ended it
    itself.
    """

    def __init__(self, ids: Generator[int, None, bool], vocabulary: list[bytes]) -> None:
        self.ended = False
        self._ids = ids
        self._vocabulary = vocabulary

    def __iter__(self) -> Iterator[str]:
        return as_text(self._watched(), self._vocabulary)

    def _watched(self) -> Iterator[int]:
        self.ended = yield from self._ids


class Writer:
    """A model, ready for inference, with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.vocabulary = token_bytes(tokenizer)
        self.context = int(model.config.max_position_embeddings)

    def text(self, options: Generate) -> Continuation:
        """Returns what comes after the prompt or, with a suffix, between the two."""
        if options.suffix is None:
            prompt = text_prompt(self.tokenizer, options.prompt)
        else:
            room = self._room(options)
            prompt = middle_prompt(self.tokenizer, options.prompt, options.suffix, room)
        return self._write(prompt, options)

    def answer(self, messages: list[dict[str, str]], options: Generate) -> Continuation:
        """Returns the assistant's next words in a conversation of {role, content}."""
        return self._write(chat_prompt(self.tokenizer, messages, self._room(options)), options)

    def _room(self, options: Generate) -> int:
        """How many ids a prompt may have, so that there is room to write."""
        return self.context - min(options.max_new_tokens, self.context // 2)

    def _write(self, prompt: Prompt, options: Generate) -> Continuation:
        sampling = Sampling(
            options.max_new_tokens,
            options.temperature,
            options.top_k,
            options.top_p,
            options.seed,
        )
        if not prompt.may_outgrow and self.context < len(prompt.ids) + options.max_new_tokens:
            log.info(
                "at most %d of the %d tokens: the model's context ends there",
                self.context + 1 - len(prompt.ids),
                options.max_new_tokens,
            )
        return Continuation(sample(self.model, prompt, sampling), self.vocabulary)


def load_model(folder: Path) -> Writer:
    """Returns the trained model, on the GPU where there is one.

    Raises:
        UserError: there is no trained model.
    """
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} holds no trained model. Run `dvc repro` first.")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    if torch.cuda.is_available():
        model = model.to("cuda")
    return Writer(model.eval(), load_tokenizer(folder))


def stream_completion(writer: Writer, options: Generate) -> None:
    """Writes the prompt, its continuation and the suffix to standard output, as the text comes."""
    print(options.prompt, end="", flush=True)
    for piece in writer.text(options):
        print(piece, end="", flush=True)
    print(options.suffix or "")


def complete(writer: Writer, options: Generate) -> str:
    """Returns the prompt, its continuation and the suffix."""
    return options.prompt + "".join(writer.text(options)) + (options.suffix or "")
