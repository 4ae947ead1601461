"""Converts conversations in common formats to [{role, content}].

The formats are OpenAI's {role, content}, with content as text or as a list of {type: text, text};
ShareGPT's {from, value}; and either written as JSON in a table's cell.

A system message without text is left out. At the end of a conversation, a message without text is
an answer that was never given: it is left out, and the conversation ends before it; without any
answer left, it is not a conversation. Anywhere else it leaves a gap that no model should learn, so
the conversation is dropped. A conversation that calls tools is not read.
"""

from typing import Any

import orjson

from tohum.fields.names import fold
from tohum.fields.selectors import Empty, Unfit, kind_of

ROLES = {
    "system": ("system", "sistem", "developer"),
    "user": ("user", "human", "kullanıcı", "prompter"),
    "assistant": ("assistant", "gpt", "asistan", "bot", "model", "chatgpt"),
}
ROLE_OF = {fold(name): role for role, names in ROLES.items() for name in names}


def read_messages(value: Any, column: str, system: str | None) -> list[dict[str, str]]:
    """Returns the messages of a conversation, after `system` if they have no system message.

    Raises:
        Unfit: it is not a conversation, or a message has another role or is not text.
        Empty: it has no messages, or one without text that may not be left out.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except ValueError as error:
            raise Unfit(f"'{column}' is not JSON: {error}") from None
    if not isinstance(value, list):
        raise Unfit(f"'{column}' is {kind_of(value)}, expected a list of messages")
    if not value:
        raise Empty(f"no message in '{column}'")
    messages = [_message(entry, number, column) for number, entry in enumerate(value, 1)]
    messages = _without_empty(messages, column)
    if system and all(message["role"] != "system" for message in messages):
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _without_empty(messages: list[dict[str, str]], column: str) -> list[dict[str, str]]:
    """Leaves out messages without text where that is allowed.

    Raises:
        Empty: another one has no text, or no answer is left.
    """
    end = len(messages)
    while end and not messages[end - 1]["content"]:
        end -= 1
    for number, message in enumerate(messages[:end], 1):
        if not message["content"] and message["role"] != "system":
            raise Empty(f"no text in message {number} of '{column}'")
    kept = [message for message in messages[:end] if message["content"]]
    spoken = {message["role"] for message in messages[end:]} - {"system"}
    answered = any(message["role"] == "assistant" for message in kept)
    if not kept or (spoken and not answered):
        raise Empty(f"no text in message {end + 1} of '{column}'")
    return kept


def _message(entry: Any, number: int, column: str) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise Unfit(f"message {number} of '{column}' is {kind_of(entry)}, expected an object")
    # A parquet file with both formats has both keys in each message, one of them null.
    name = _first(entry, "role", "from")
    role = ROLE_OF.get(fold(name)) if isinstance(name, str) else None
    if role is None:
        raise Unfit(f"role {name!r}" if name is not None else f"no role in '{column}'")
    if entry.get("tool_calls") or entry.get("function_call"):
        raise Unfit(f"message {number} of '{column}' calls a tool")
    content = _first(entry, "content", "value")
    if type(content) is list:
        parts = [_part(part, number, column) for part in content]
        content = "\n".join(part for part in parts if part and not part.isspace())
    if content is not None and not isinstance(content, str):
        raise Unfit(f"message {number} of '{column}' is {kind_of(content)}, expected text")
    return {"role": role, "content": content if content and not content.isspace() else ""}


def _first(entry: dict[str, Any], *keys: str) -> Any:
    """Returns the first value that is not null."""
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _part(part: Any, number: int, column: str) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    kind = part.get("type", "text") if isinstance(part, dict) else "text"
    if kind == "text" and text is None:
        return ""
    if kind != "text" or not isinstance(text, str):
        raise Unfit(f"message {number} of '{column}' has a part that is not text ({kind})")
    return text
