"""What a client can ask for, whatever the API it speaks: a prompt, how to draw, where to end."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

from tohum.commands.serve.endings import StopStrings
from tohum.commands.serve.engine import Engine, Job, Piece
from tohum.commands.serve.request_fields import BadRequest, RequestFields
from tohum.decoding import Prompt, Sampling
from tohum.formats.special_tokens import MIDDLE_ID, PREFIX_ID, SPECIAL_TOKENS, SUFFIX_ID
from tohum.inference import Continuation, Ending, RememberingReader

MOST_STOPS = 16
MOST_TOKENS = 1_000_000
MARKS = tuple(SPECIAL_TOKENS[id] for id in (PREFIX_ID, SUFFIX_ID, MIDDLE_ID))


@dataclass
class Order:
    """One text that a client asks for. `warm` only reads the prompt."""

    prompt: Prompt
    sampling: Sampling
    endings: list[Ending] = field(default_factory=list)
    keep_steps: bool = False
    warm: bool = False


@dataclass
class OrderedText:
    """A text that is being written, or is complete."""

    order: Order
    job: Job
    content: str = ""

    @property
    def continuation(self) -> Continuation:
        """What wrote it, once the first piece is there."""
        assert self.job.continuation is not None
        return self.job.continuation

    @property
    def finish_reason(self) -> str:
        """OpenAI's name for what ended it."""
        return "stop" if self.continuation.ended else "length"

    @property
    def stop_string(self) -> str | None:
        """The stop string that ended it."""
        ending = self.continuation.ended_by
        return ending.found if isinstance(ending, StopStrings) else None


class Writer:
    """Has the engine write what clients order."""

    def __init__(self, engine: Engine, defaults: Sampling) -> None:
        self.engine = engine
        self.model = engine.model
        self.defaults = defaults

    def begin(self, order: Order, streamed: bool = True) -> OrderedText:
        """Returns a text whose pieces are still to come, one by one or all at the end."""

        def start(passage: RememberingReader) -> Continuation:
            if order.warm:
                passage.logits(order.prompt.ids[-passage.context :])
            return Continuation(
                self.model, order.prompt, order.sampling, order.endings, passage, order.keep_steps
            )

        loop = asyncio.get_running_loop()
        return OrderedText(order, Job(start, loop, order.prompt.ids, streamed, order.keep_steps))

    async def pieces(self, text: OrderedText) -> AsyncIterator[Piece]:
        """Yields the pieces of a text as they come."""
        async for piece in self.engine.write(text.job):
            text.content += piece.text
            yield piece

    async def whole(self, order: Order) -> OrderedText:
        """Returns a complete text."""
        text = self.begin(order, streamed=False)
        async for _ in self.pieces(text):
            pass
        return text

    def sampling(self, fields: RequestFields, limit_names: tuple[str, ...]) -> Sampling:
        """Returns how to draw; what the request leaves out is as in conf/generate.yaml.

        Args:
            fields: of the request; penalties and biases have OpenAI's names, the rest those that
                llama.cpp also has.
            limit_names: the names of the largest number of new tokens; the first that is there
                counts.
        """
        given = self.defaults
        limit = next((name for name in limit_names if name in fields), limit_names[0])
        most = fields.whole(limit, given.max_new_tokens, -1, MOST_TOKENS)
        return Sampling(
            max_new_tokens=self.model.context if most < 0 else most,
            temperature=max(0.0, fields.number("temperature", given.temperature, -1, 100)),
            top_k=max(0, fields.whole("top_k", given.top_k, -1, MOST_TOKENS)),
            top_p=max(1e-6, fields.number("top_p", given.top_p, 0, 1)),
            seed=fields.whole("seed", given.seed, -1, 2**63) % 2**63,
            min_p=fields.number("min_p", 0, 0, 1),
            presence_penalty=fields.number("presence_penalty", 0, -2, 2),
            frequency_penalty=fields.number("frequency_penalty", 0, -2, 2),
            repeat_penalty=fields.number("repeat_penalty", 1, 0.01, 100),
            logit_bias=self._biases(fields),
            most_repeats=given.most_repeats,
            copying=fields.number("copying", given.copying, 0, 1),
        )

    def _biases(self, fields: RequestFields) -> dict[int, float]:
        if isinstance(fields.values.get("logit_bias"), list):  # llama.cpp's empty one
            if fields.values["logit_bias"]:
                raise fields.wrong("logit_bias", "an object of numbers by token id")
            return {}
        biases = fields.fields("logit_bias")
        found = {}
        for name in biases.values:
            if not (name.isascii() and name.isdigit() and int(name) < len(self.model.vocabulary)):
                raise BadRequest(
                    f"'{biases.name(name)}' is not the id of a token: this model's go from 0 to "
                    f"{len(self.model.vocabulary) - 1}.",
                    "logit_bias",
                )
            found[int(name)] = biases.number(name, 0, -100, 100)
        return found


def stop_endings(fields: RequestFields) -> list[Ending]:
    """Returns the ending of a request's stop strings, if it has some."""
    strings = fields.texts("stop", MOST_STOPS)
    return [StopStrings(strings)] if strings else []


def marked_middle(text: str) -> tuple[str, str] | None:
    """Returns the prefix and the suffix of a prompt that is written out with the marks of fill in
    the middle, as some editors do, or None for any other text. The prefix is behind its own mark,
    or, where the suffix comes first, behind the last.
    """
    prefix_mark, suffix_mark, middle_mark = MARKS
    if not text.startswith(prefix_mark) or any(text.count(mark) != 1 for mark in MARKS):
        return None
    first, has_suffix, rest = text.removeprefix(prefix_mark).partition(suffix_mark)
    suffix, has_middle, last = rest.partition(middle_mark)
    if not (has_suffix and has_middle) or (first and last):
        return None
    return first or last, suffix


def event(value: Any) -> str:
    """Returns a server-sent event that has a value as JSON."""
    return f"data: {json.dumps(value)}\n\n"


def with_index(order: Order, number: int) -> Order:
    """Returns the order for another of several texts on one prompt: drawn with another seed."""
    seed = (order.sampling.seed + number) % 2**63
    return replace(order, sampling=replace(order.sampling, seed=seed))
