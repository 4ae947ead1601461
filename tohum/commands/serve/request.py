"""Parses and checks a request to the server."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from tohum.commands.generate.config import Generate
from tohum.config.sections import read_section
from tohum.decoding import Sampling
from tohum.errors import UserError
from tohum.formats.special_tokens import ROLE_IDS

NAMES = {  # OpenAI's names, and top_k, which it does not have, for our keys
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "seed": "seed",
}
UNABLE = ("stop", "logprobs", "tools", "response_format", "best_of", "echo")


@dataclass
class CompletionRequest:
    """A text to continue, or with a suffix to fill in, or `messages` to answer; `stream` sends the
    text as it comes.
    """

    sampling: Sampling
    stream: bool
    prompt: str = ""
    suffix: str | None = None
    messages: list[dict[str, str]] | None = None


def read_request(body: bytes, chat: bool, defaults: Generate) -> CompletionRequest:
    """Returns what a JSON body asks for.

    Raises:
        UserError: it is not a JSON object, lacks what it needs, or asks for what the server can't
            do.
    """
    try:
        values = json.loads(body)
    except ValueError as error:
        raise UserError(f"the request is not JSON ({error}).") from None
    if not isinstance(values, dict):
        raise UserError("the request is not a JSON object.")
    for key in UNABLE:
        if values.get(key):
            raise UserError(f"'{key}' is not supported here: leave it out.")
    if values.get("n") not in (None, 1):
        raise UserError("'n' above 1 is not supported here: ask several times.")
    given = {NAMES[key]: values[key] for key in NAMES if values.get(key) is not None}
    section = {**asdict(defaults), "prompt": "", "suffix": None, **given}
    sampling = read_section("request", Generate, section).sampling
    request = CompletionRequest(sampling, bool(values.get("stream")))
    if chat:
        request.messages = _messages(values.get("messages"))
        return request
    request.prompt = _text(values, "prompt", "")
    request.suffix = None if values.get("suffix") is None else _text(values, "suffix", "")
    return request


def _text(values: dict[str, Any], key: str, default: str) -> str:
    text = values.get(key, default)
    if not isinstance(text, str):
        raise UserError(f"'{key}' is {text!r}, expected a string.")
    return text


def _messages(values: Any) -> list[dict[str, str]]:
    if not isinstance(values, list) or not values:
        raise UserError("'messages' is missing: a list of {role, content}.")
    return [_message(value) for value in values]


def _message(value: Any) -> dict[str, str]:
    role = value.get("role") if isinstance(value, dict) else None
    if role not in ROLE_IDS:
        raise UserError(f"the role {role!r} of a message is not one of {', '.join(ROLE_IDS)}.")
    content = value.get("content")
    if isinstance(content, list):  # parts, as OpenAI's own clients may send them
        texts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = None if None in texts else "".join(map(str, texts))
    if not isinstance(content, str):
        raise UserError("the 'content' of a message is not a string.")
    return {"role": role, "content": content}
