"""What suggests how a line goes on: a model, or the nearest earlier text that goes the same way.

A suggestion comes in pieces, and whoever reads it stops where enough has come.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from tokenizers import Tokenizer

from stages.evaluate.ngrams import Ngrams
from stages.evaluate.places import LinePlace
from tohum.cached_decoder import Reader
from tohum.copying import DRAFT, SEARCHED, Surroundings, longest_end
from tohum.decoding import (
    Prompt,
    Sampling,
    Spelling,
    as_text,
    cut_start,
    middle_prompt,
    text_prompt,
    write,
)
from tohum.formats.tokenizer import token_bytes

NEW_TOKENS = 100  # a line of places.LONGEST_LINE characters of ASCII in any tokens
ROOM = 64  # ids kept free for the line and its continuation, or half of the context


class Suggester(Protocol):
    """What an editor asks how a line goes on."""

    def line(self, place: LinePlace, typed: str = "") -> Iterator[str]:
        """Yields what comes after the text before a line and what has been typed of it."""

    def middle(self, place: LinePlace) -> Iterator[str]:
        """Yields what comes between the text before a line and the text after it."""


class ModelWriter:
    """A model as a `Suggester`: it sees the last of the text before that fits its context.

    Args:
        reader: the model.
        tokenizer: of the model.
        sampling: how it draws; by default the likeliest token.
    """

    def __init__(
        self, reader: Reader, tokenizer: Tokenizer, sampling: Sampling | None = None
    ) -> None:
        self._reader, self._tokenizer = reader, tokenizer
        self._sampling = sampling or Sampling(NEW_TOKENS)
        self._vocabulary = token_bytes(tokenizer)
        self._spelling = Spelling(self._vocabulary)
        self._room = min(reader.context // 2, ROOM)
        self._before: tuple[str, list[int]] = ("", text_prompt(tokenizer, "").ids)

    def line(self, place: LinePlace, typed: str = "") -> Iterator[str]:
        """As `Suggester.line`. What is typed begins a pretoken, because a line ends one."""
        head, start = cut_start(self._tokenizer, typed) if typed else ("", "")
        line = text_prompt(self._tokenizer, head).ids[1:]
        ids = [*self._ids_before(place.before), *line]
        around = Surroundings(self._tokenizer, place.before + typed, start=len(start))
        return self._written(Prompt(ids, True, start.encode(), around))

    def middle(self, place: LinePlace) -> Iterator[str]:
        """As `Suggester.middle`."""
        room = self._reader.context - self._room
        prompt = middle_prompt(self._tokenizer, place.before, place.after, room)
        around = Surroundings(self._tokenizer, place.before, place.after)
        return self._written(replace(prompt, surroundings=around))

    def _ids_before(self, before: str) -> list[int]:
        if self._before[0] != before:
            room = max(2, self._reader.context - self._room)
            self._before = (before, text_prompt(self._tokenizer, before, room).ids)
        return self._before[1]

    def _written(self, prompt: Prompt) -> Iterator[str]:
        steps = write(self._reader, prompt, self._sampling, self._spelling)
        ids = (step.id for step in steps)
        return as_text(ids, self._vocabulary, skip=len(prompt.start))


class LineCopier:
    """Copies what followed the longest text that stands before the cursor and earlier in the file;
    the nearest, where there are several.

    So it is the nearest earlier line that begins the same, and of several the one whose lines
    before are the same too. With the rest of the file, what is copied may also come from there.
    """

    def line(self, place: LinePlace, typed: str = "") -> Iterator[str]:
        """As `Suggester.line`."""
        text = place.before[-SEARCHED:] + typed
        size = longest_end(text, text[:-1])
        at = text.rfind(text[len(text) - size :], 0, len(text) - 1) + size
        yield text[at : at + DRAFT]

    def middle(self, place: LinePlace) -> Iterator[str]:
        """As `Suggester.middle`."""
        before, after = place.before[-SEARCHED:], place.after[:SEARCHED]
        size = longest_end(before, after)
        if size > longest_end(before, before[:-1]):
            at = after.find(before[len(before) - size :]) + size
            yield after[at : at + DRAFT]
        else:
            yield from self.line(place)


def named_suggesters(
    reader: Reader, ngrams: Ngrams | None, tokenizer: Tokenizer
) -> dict[str, Suggester]:
    """Returns the model, its baselines (the n-gram only if there is one), and the model with copies
    mixed in as an editor gets it, by name.
    """
    suggesters: dict[str, Suggester] = {"model": ModelWriter(reader, tokenizer)}
    if ngrams is not None:
        suggesters["n-gram"] = ModelWriter(ngrams, tokenizer)
    suggesters["copy"] = LineCopier()
    together = Sampling(NEW_TOKENS, copying=1)
    return {**suggesters, "model+copy": ModelWriter(reader, tokenizer, together)}
