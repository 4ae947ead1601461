"""The trained model, ready for use: it continues a text, fills a gap, or answers."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from tohum.cached_decoder import Reader
from tohum.compiled_decoder.passage import CompiledDecoder
from tohum.copying import Surroundings
from tohum.decoding import (
    Prompt,
    Sampling,
    Spelling,
    Step,
    as_text,
    chat_prompt,
    cut_start,
    middle_prompt,
    text_prompt,
    write,
)
from tohum.errors import UserError
from tohum.files import read_json
from tohum.formats.tokenizer import load_tokenizer, token_bytes
from tohum.gguf_decoder import GgufDecoder, model_sha256

log = logging.getLogger(__name__)


class RememberingReader(Reader, Protocol):
    """A reader that tells what it has read: `ids`."""

    ids: list[int]

    def common(self, ids: Sequence[int]) -> int:
        """Returns how many of the first ids it has read already."""

    def adopt(self, other: Any, count: int) -> None:
        """Has read the first `count` ids that another reader of the same model has read, if that
        can be had for less than reading them.
        """


class Ending(Protocol):
    """A rule by which a text ends before the model ends it."""

    def check(self, text: str) -> tuple[int, bool]:
        """Returns how much of the text so far is certain to stay, and whether it ends there."""


class Continuation:
    """The pieces of a text as they come.

    Afterwards `ended` says whether the model or an ending (`ended_by`) ended it; `steps` has what
    was written, as far as `keep_steps` asks for it, `written` how many ids, and `first_at` when the
    first one came, in seconds of the monotonic clock.
    """

    def __init__(
        self,
        model: "LanguageModel",
        prompt: Prompt,
        sampling: Sampling,
        endings: Sequence[Ending] = (),
        reader: Reader | None = None,
        keep_steps: bool = False,
    ) -> None:
        self.prompt = prompt
        self.ended = False
        self.ended_by: Ending | None = None
        self.steps: list[Step] = []
        self.written = 0
        self.first_at: float | None = None
        self._model, self._sampling, self._endings = model, sampling, endings
        self._reader = reader or model.reader
        self._keep_steps = keep_steps

    def __iter__(self) -> Iterator[str]:
        pieces = as_text(self._ids(), self._model.vocabulary, skip=len(self.prompt.start))
        return self._until_an_ending(pieces) if self._endings else pieces

    def _ids(self) -> Iterator[int]:
        start = len(self.prompt.start)
        steps = write(self._reader, self.prompt, self._sampling, self._model.spelling)
        while True:
            try:
                step = next(steps)
            except StopIteration as stopped:
                self.ended = bool(stopped.value)
                return
            if self.first_at is None:
                self.first_at = time.monotonic()
            size = len(self._model.vocabulary[step.id])
            if size > start:  # otherwise it only spells the end of the prompt
                self.written += 1
                if self._keep_steps:
                    self.steps.append(step)
            start = max(0, start - size)
            yield step.id

    def _until_an_ending(self, pieces: Iterator[str]) -> Iterator[str]:
        text, sent = "", 0
        for piece in pieces:
            text += piece
            certain = len(text)
            for ending in self._endings:
                size, ends = ending.check(text)
                if ends and (self.ended_by is None or size < certain):
                    self.ended_by = ending
                certain = min(certain, size)
            if certain > sent:
                yield text[sent:certain]
                sent = certain
            if self.ended_by is not None:
                self.ended = True
                return
        if len(text) > sent:
            yield text[sent:]


class LanguageModel:
    """A model, ready for inference, with its tokenizer.

    Args:
        model: a `StoredModel`, a transformers model in evaluation mode, or an exported one.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = token_bytes(tokenizer)
        self.spelling = Spelling(self.vocabulary)
        self.decoder = model if isinstance(model, GgufDecoder) else CompiledDecoder(model)
        self.context = self.decoder.context
        self.reader = self.passage()

    def passage(self) -> RememberingReader:
        """Returns a place to read and write in; several can be used at once."""
        return self.decoder.passage()

    def complete(self, prompt: str, sampling: Sampling, suffix: str | None = None) -> Continuation:
        """Returns what comes after the prompt or, with a suffix, between the two."""
        if suffix is None:
            return self._write(self.text(prompt, sampling), sampling)
        return self._write(self.middle(prompt, suffix, sampling), sampling)

    def answer(self, messages: list[dict[str, str]], sampling: Sampling) -> Continuation:
        """Returns the assistant's next words in a conversation of {role, content}."""
        return self._write(self.chat(messages, sampling), sampling)

    def text(self, text: str, sampling: Sampling, in_file: bool = False) -> Prompt:
        """Returns the prompt for what comes after a text, of which it has the end if it is long.

        In a file that someone writes, copies of it count too (`Sampling.copying`).
        """
        head, start = cut_start(self.tokenizer, text)
        prompt = text_prompt(self.tokenizer, head, self.room(sampling))
        around = Surroundings(self.tokenizer, text, start=len(start)) if in_file else None
        return replace(prompt, start=start.encode(), surroundings=around)

    def middle(self, prefix: str, suffix: str, sampling: Sampling) -> Prompt:
        """Returns the prompt for what goes between two texts."""
        head, start = cut_start(self.tokenizer, prefix)
        prompt = middle_prompt(self.tokenizer, head, suffix, self.room(sampling))
        around = Surroundings(self.tokenizer, prefix, suffix, len(start))
        return replace(prompt, start=start.encode(), surroundings=around)

    def chat(self, messages: list[dict[str, str]], sampling: Sampling) -> Prompt:
        """Returns the prompt for the assistant's next words."""
        return chat_prompt(self.tokenizer, messages, self.room(sampling))

    def room(self, sampling: Sampling) -> int:
        """Returns the number of ids a prompt may have so that there is room for a continuation.

        An eighth of the context is always left: a request for few tokens, or for none, which only
        has the prompt read, and one for more then have the same prompt.
        """
        new = max(sampling.max_new_tokens, self.context // 8)
        return self.context - min(new, self.context // 2)

    def _write(self, prompt: Prompt, sampling: Sampling) -> Continuation:
        room = self.context + 1 - len(prompt.ids)  # the last id takes no place in the context
        if not prompt.may_outgrow and room < sampling.max_new_tokens:
            log.info(
                "at most %d of the %d tokens: the model's context ends there",
                room,
                sampling.max_new_tokens,
            )
        return Continuation(self, prompt, sampling)


class StoredModel:
    """The configuration and weights of a models/lm, as a transformers model has them.

    The decoder needs no more of a model, and to import transformers' classes takes 2.5 s, which is
    longer than to import torch and to load a small model.

    Args:
        folder: models/lm.
        device: where the weights are to be, as torch names it.
    """

    def __init__(self, folder: Path, device: str) -> None:
        with read_json(folder / "config.json", "evaluate") as values:
            self.config = SimpleNamespace(**values)
        self._weights = load_file(folder / "model.safetensors", device=device)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Returns the weights by transformers' names; one that is tied to another is left out."""
        return self._weights


def load_language_model(folder: Path) -> LanguageModel:
    """Returns the trained model, on the GPU if there is one.

    Raises:
        UserError: there is no trained model, or not one of this pipeline's.
    """
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{folder} has no trained model. Run `dvc repro` first.")
    model = StoredModel(folder, "cuda" if torch.cuda.is_available() else "cpu")
    try:
        return LanguageModel(model, load_tokenizer(folder))
    except ValueError as error:
        raise UserError(f"{folder} can't be used: {error}.") from None
    except (AttributeError, KeyError) as missing:
        name = missing.name if isinstance(missing, AttributeError) else missing.args[0]
        raise UserError(
            f"{folder} can't be used: it has no {name}, which every model of this pipeline has. "
            "Run `dvc repro evaluate`."
        ) from None


def load_exported_model(file: Path, folder: Path) -> LanguageModel:
    """Returns an exported model, run by llama.cpp, with the tokenizer of the folder it is from.

    Raises:
        UserError: either is missing, they don't belong together, or llama.cpp is not installed.
    """
    decoder = GgufDecoder(file)
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"{folder} has no tokenizer. Run `dvc repro` first.")
    tokenizer = load_tokenizer(folder)
    if decoder.words != tokenizer.get_vocab_size():
        raise UserError(
            f"{file} has {decoder.words} tokens, the tokenizer in {folder} has "
            f"{tokenizer.get_vocab_size()}: it is of another model. Run `tohum export` again."
        )
    if decoder.made_of != model_sha256(folder):
        raise UserError(
            f"{file} is not the model in {folder} as it is now. Run `tohum export` again."
        )
    return LanguageModel(decoder, tokenizer)
