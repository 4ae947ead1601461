"""OpenAI's API: /v1/completions, /v1/chat/completions and /v1/models.

https://platform.openai.com/docs/api-reference. A field that asks for what this server can't do is
refused; a field that it doesn't know is ignored, as other servers' clients send many.
"""

import codecs
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import torch

from tohum.commands.serve.orders import (
    Order,
    OrderedText,
    Writer,
    event,
    marked_middle,
    stop_endings,
    with_index,
)
from tohum.commands.serve.request_fields import BadRequest, RequestFields, whole_characters
from tohum.decoding import Prompt, Sampling, Step
from tohum.formats.special_tokens import END_OF_TEXT_ID, ROLE_IDS, SPECIAL_TOKENS

MODEL = "models/lm"
MOST_CHOICES = 16
MOST_PROMPTS = 64
MOST_MESSAGES = 10_000
MOST_LOGPROBS = 20
LIMITS = ("max_completion_tokens", "max_tokens")
ROLES = {**{role: role for role in ROLE_IDS}, "developer": "system"}
# What asks for something this server can't do, and the values that ask for nothing.
UNABLE: dict[str, tuple[Any, ...]] = {
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "grammar": ("",),
    "json_schema": (),
    "audio": (),
    "modalities": (["text"],),
}


@dataclass
class Question:
    """A request: the texts that it orders, and how to answer."""

    kind: str
    orders: list[Order]
    stream: bool
    usage: bool
    logprobs: int | None
    echo: list[str]

    @property
    def chat(self) -> bool:
        """Whether the texts are an assistant's words."""
        return self.kind == "chat.completion"


def read_question(fields: RequestFields, writer: Writer, chat: bool) -> Question:
    """Returns what a request asks for.

    Raises:
        BadRequest: it lacks what it needs, or asks for what can't be done.
    """
    for name, nothing in UNABLE.items():
        if name in fields and fields.values[name] not in nothing:
            raise fields.unsupported(name)
    count = fields.whole("n", 1, 1, MOST_CHOICES)
    if fields.whole("best_of", count, 1, MOST_CHOICES) != count:
        raise BadRequest("'best_of' is only supported when it equals 'n'.", "best_of")
    stream = fields.flag("stream")
    usage = fields.fields("stream_options").flag("include_usage")
    logprobs = _chat_logprobs(fields) if chat else _logprobs(fields)
    sampling = writer.sampling(fields, LIMITS)
    texts: list[str] = []
    if chat:
        prompts = [writer.model.chat(_messages(fields), sampling)]
    else:
        texts, prompts = _prompts(fields, writer, sampling)
    echo = not chat and fields.flag("echo")
    if echo and logprobs is not None:
        raise BadRequest("'echo' together with 'logprobs' is not supported here.", "echo")
    orders = [
        with_index(
            Order(prompt, sampling, stop_endings(fields), keep_steps=logprobs is not None), number
        )
        for prompt in prompts
        for number in range(count)
    ]
    return Question(
        "chat.completion" if chat else "text_completion",
        orders,
        stream,
        usage or not stream,
        logprobs,
        [text for text in texts for _ in range(count)] if echo else [],
    )


def _logprobs(fields: RequestFields) -> int | None:
    value = fields.values.get("logprobs")
    if value is None or value is False:
        return None
    if value is True:
        return 1
    return fields.whole("logprobs", 0, 0, MOST_LOGPROBS)


def _chat_logprobs(fields: RequestFields) -> int | None:
    count = fields.whole("top_logprobs", 0, 0, MOST_LOGPROBS)
    if fields.flag("logprobs"):
        return count
    if count:
        raise BadRequest("'top_logprobs' needs 'logprobs': true.", "top_logprobs")
    return None


def _prompts(
    fields: RequestFields, writer: Writer, sampling: Sampling
) -> tuple[list[str], list[Prompt]]:
    """Returns the texts and the prompts of a request for completions."""
    given = fields.values.get("prompt")
    suffix = fields.text("suffix") if "suffix" in fields else None
    listed = given if isinstance(given, list) and given else [given]
    if all(isinstance(each, int) and not isinstance(each, bool) for each in listed):
        listed = [listed]
    if len(listed) > MOST_PROMPTS:
        raise fields.wrong("prompt", f"at most {MOST_PROMPTS} prompts")
    texts, prompts = [], []
    for each in listed:
        text = _prompt_text(each, fields, writer)
        texts.append(text)
        middle = marked_middle(text) if suffix is None else (text, suffix)
        if middle:
            prompts.append(writer.model.middle(*middle, sampling))
        else:
            prompts.append(writer.model.text(text, sampling, in_file="copying" in fields))
    return texts, prompts


def _prompt_text(value: Any, fields: RequestFields, writer: Writer) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return whole_characters(value)
    if isinstance(value, list):
        words = writer.model.vocabulary
        if all(isinstance(id, int) and 0 <= id < len(words) for id in value):
            ids = value[1:] if value[:1] == [END_OF_TEXT_ID] else value
            named = [
                SPECIAL_TOKENS[id].encode() if id < len(SPECIAL_TOKENS) else words[id] for id in ids
            ]
            text = b"".join(named).decode("utf-8", "replace")
            if any(id < len(SPECIAL_TOKENS) for id in ids) and not marked_middle(text):
                raise fields.wrong(
                    "prompt", "ids of text, or of a prefix and a suffix with the marks of both"
                )
            return text
    raise fields.wrong("prompt", "a string, or a list of strings or of token ids")


def _messages(fields: RequestFields) -> list[dict[str, str]]:
    messages = fields.objects("messages", MOST_MESSAGES)
    if not messages:
        raise BadRequest("'messages' is missing: a list of {role, content}.", "messages")
    return [_message(message) for message in messages]


def _message(message: RequestFields) -> dict[str, str]:
    role = ROLES.get(message.text("role"))
    if role is None:
        raise message.wrong("role", f"one of {', '.join(ROLES)}")
    if message.values.get("tool_calls"):
        raise message.wrong("tool_calls", "nothing: tools are not supported here")
    content = message.values.get("content")
    if isinstance(content, list):
        parts = message.objects("content", MOST_MESSAGES)
        for part in parts:
            if part.values.get("type", "text") not in ("text", "input_text"):
                raise part.wrong("type", '"text"')
        return {"role": role, "content": "".join(part.text("text") for part in parts)}
    if content is None:
        raise message.wrong("content", "a string")
    return {"role": role, "content": message.text("content")}


async def answer(question: Question, writer: Writer) -> dict[str, Any]:
    """Returns the whole answer."""
    texts = [await writer.whole(order) for order in question.orders]
    choices = []
    for number, text in enumerate(texts):
        steps = text.continuation.steps if question.logprobs is not None else []
        content = (question.echo[number] if question.echo else "") + text.content
        offsets = Offsets()
        choices.append(
            _choice(question, writer, number, content, steps, offsets, text.finish_reason)
        )
    return {**_head(question, _new_id(question)), "choices": choices, "usage": _usage(texts)}


async def stream(question: Question, writer: Writer) -> AsyncIterator[str]:
    """Yields the answer as server-sent events."""
    head = _head(question, _new_id(question), streamed=True)
    texts = [writer.begin(order) for order in question.orders]
    without = {"usage": None} if question.usage else {}
    for number, text in enumerate(texts):
        start = question.echo[number] if question.echo else ""
        offsets = Offsets()
        if question.chat or start:
            choice = _choice(question, writer, number, start, [], offsets, None, first=True)
            yield event({**head, "choices": [choice], **without})
        done = 0
        async for piece in writer.pieces(text):
            steps = text.continuation.steps[done : piece.steps]
            done += len(steps)
            choice = _choice(question, writer, number, piece.text, steps, offsets, None)
            yield event({**head, "choices": [choice], **without})
        last = _choice(question, writer, number, "", [], offsets, text.finish_reason)
        yield event({**head, "choices": [last], **without})
    if question.usage:
        yield event({**head, "choices": [], "usage": _usage(texts)})
    yield "data: [DONE]\n\n"


def _new_id(question: Question) -> str:
    return f"{'chatcmpl' if question.chat else 'cmpl'}-{secrets.token_hex(12)}"


def _head(question: Question, name: str, streamed: bool = False) -> dict[str, Any]:
    kind = f"{question.kind}.chunk" if streamed and question.chat else question.kind
    return {"id": name, "object": kind, "created": int(time.time()), "model": MODEL}


def _choice(
    question: Question,
    writer: Writer,
    number: int,
    text: str,
    steps: list[Step],
    offsets: "Offsets",
    finish: str | None,
    first: bool = False,
) -> dict[str, Any]:
    """Returns a choice, or a streamed piece of one."""
    choice: dict[str, Any] = {"index": number, "finish_reason": finish, "logprobs": None}
    if question.logprobs is not None and (steps or not question.stream):
        words, most = writer.model.vocabulary, question.logprobs
        choice["logprobs"] = (
            _chat_table(steps, words, most)
            if question.chat
            else _table(steps, words, most, offsets)
        )
    if not question.chat:
        choice["text"] = text
    elif not question.stream:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None}
    elif first:
        choice["delta"] = {"role": "assistant", "content": text}
    else:
        choice["delta"] = {"content": text} if text else {}
    return choice


def _usage(texts: list[OrderedText]) -> dict[str, Any]:
    """Returns the ids read and written; a prompt that several texts continue counts once."""
    prompts = {id(text.order.prompt): len(text.order.prompt.ids) for text in texts}
    read, written = sum(prompts.values()), sum(text.continuation.written for text in texts)
    cached = sum({id(text.order.prompt): text.job.cached for text in reversed(texts)}.values())
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": min(cached, read)},
    }


def likeliest(step: Step, most: int) -> list[tuple[int, float]]:
    """Returns the natural logarithm of the probability of the id that was written, then those of
    the `most` likeliest ids, each with its id.
    """
    chances = torch.log_softmax(step.logits, dim=-1)
    values, ids = torch.topk(chances, min(most, len(chances)))
    top = zip(ids.tolist(), values.tolist(), strict=True)
    return [(step.id, float(chances[step.id])), *top]


class Offsets:
    """Where the ids of a text begin in it, in characters, one after another."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._place = 0

    def following(self, word: bytes) -> int:
        """Returns where the next id begins, whose bytes in the text are `word`."""
        begun, _ = self._decoder.getstate()  # of a character that the id before has not completed
        completes = word[:1] and 0x80 <= word[0] < 0xC0
        place = self._place + (1 if begun and not completes else 0)
        self._place += len(self._decoder.decode(word))
        return place


def _table(
    steps: list[Step], vocabulary: list[bytes], most: int, offsets: Offsets
) -> dict[str, Any]:
    table: dict[str, Any] = {
        "tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": [],
    }  # fmt: skip
    for step in steps:
        (_, chance), *top = likeliest(step, most)
        word = _shown(vocabulary[step.id])
        table["tokens"].append(word)
        table["token_logprobs"].append(chance)
        shown: dict[str, float] = {}
        for id, value in top:  # the likelier of two that look alike, as parts of characters do
            shown.setdefault(_shown(vocabulary[id]), value)
        table["top_logprobs"].append(shown)
        table["text_offset"].append(offsets.following(vocabulary[step.id][step.spelled :]))
    return table


def _chat_table(steps: list[Step], vocabulary: list[bytes], most: int) -> dict[str, Any]:
    content = []
    for step in steps:
        (_, chance), *top = likeliest(step, most)
        entry = _chat_entry(vocabulary[step.id], chance)
        entry["top_logprobs"] = [_chat_entry(vocabulary[id], value) for id, value in top]
        content.append(entry)
    return {"content": content, "refusal": None}


def _chat_entry(word: bytes, chance: float) -> dict[str, Any]:
    return {"token": _shown(word), "logprob": chance, "bytes": list(word)}


def _shown(word: bytes) -> str:
    return word.decode("utf-8", "replace")
