"""Converts conversations in common formats to [{role, content}].

The formats are OpenAI's {role, content}, with content as text or as a list of {type: text, text};
ShareGPT's {from, value}; objects whose keys are the roles; in the shapes of conversation_shapes.py.

A system message without text is left out. At the end of a conversation, a message without text is
an answer that was never given: it is left out, and the conversation ends before it; without any
answer left, it is not a conversation. Anywhere else it leaves a gap that no model should learn, so
the conversation is lost. A conversation that calls tools is not read.
"""

from typing import Any

from tohum.fields.conversation_shapes import list_messages
from tohum.fields.names import fold
from tohum.fields.scalars import Empty, Unfit, as_text, kind_of
from tohum.fields.speakers import (
    CONTENT_KEYS,
    MESSAGE_KEYS,
    SPEAKER_KEYS,
    find_value,
    role_of,
    turns_by_role,
)

TEXT_PARTS = (None, "text", "input_text", "output_text")
CONTENT_NAMES = set(map(fold, CONTENT_KEYS))
Message = dict[str, str]


def read_messages(value: Any, column: str, system: str | None) -> list[Message]:
    """Returns the messages of a conversation, after `system` if they have no system message.

    Raises:
        Unfit: it is not a conversation, or a message has another role, or no text where it may not
            be left out.
        Empty: there is no text in it at all.
    """
    entries = list_messages(value, column)
    if not entries:
        raise Empty(f"no message in '{column}'")
    return complete(parse_messages(entries, column), column, system)


def parse_messages(entries: list[Any], column: str) -> list[Message]:
    """Returns all messages; the content of one without text is empty.

    Raises:
        Unfit: one has another role, or is not text.
    """
    return [
        message
        for number, entry in enumerate(entries, 1)
        for message in _messages(entry, number, column)
    ]


def complete(messages: list[Message], column: str, system: str | None) -> list[Message]:
    """Returns the messages that have text, after `system` if there is no system message.

    Raises:
        Unfit: one has no text that may not be left out, or no answer is left.
        Empty: none has text.
    """
    end = len(messages)
    while end and not messages[end - 1]["content"]:
        end -= 1
    kept = [message for message in messages if message["content"]]
    roles = {message["role"] for message in kept}
    unanswered = {message["role"] for message in messages[end:]} - {"system"}
    if not roles or (roles == {"system"} and unanswered):
        raise Empty(f"no text in message {end + 1} of '{column}'")
    for number, message in enumerate(messages[:end], 1):
        if not message["content"] and message["role"] != "system":
            raise Unfit(f"no text in message {number} of '{column}'")
    if unanswered and "assistant" not in roles:
        raise Unfit(f"no text in message {end + 1} of '{column}'")
    if system and "system" not in roles:
        kept.insert(0, {"role": "system", "content": system})
    return kept


def _messages(entry: Any, number: int, column: str) -> list[Message]:
    """Returns the message of an entry, or several if its keys are the roles."""
    if isinstance(entry, list) and entry and isinstance(entry[0], tuple):
        entry = dict(entry)  # a map in parquet
    if not isinstance(entry, dict):
        raise Unfit(f"message {number} of '{column}' is {kind_of(entry)}, expected an object")
    # A parquet file with both formats has both keys in each message, one of them null.
    name = find_value(entry, SPEAKER_KEYS)
    if name is None and (turns := turns_by_role(entry)):
        return [_message(role, text, number, column) for role, text in turns.items()]
    role = role_of(name) if isinstance(name, str) else None
    if role is None:
        raise Unfit(f"role {name!r}" if name is not None else f"no role in '{column}'")
    if entry.get("tool_calls") or entry.get("function_call"):
        raise Unfit(f"message {number} of '{column}' calls a tool")
    return [_message(role, _content(entry, number, column), number, column)]


def _content(entry: dict[str, Any], number: int, column: str) -> Any:
    """Returns what is under the known keys of a message or a part.

    Raises:
        Unfit: it has none of them, but a text under another one.
    """
    content = find_value(entry, CONTENT_KEYS)
    if content is None and not any(fold(key) in CONTENT_NAMES for key in entry):
        others = [key for key, value in entry.items() if value and isinstance(value, str)]
        others = [key for key in others if fold(key) not in MESSAGE_KEYS]
        if others:
            raise Unfit(f"message {number} of '{column}' has no known text, but '{others[0]}'")
    return content


def _message(role: str, content: Any, number: int, column: str) -> Message:
    text = content if type(content) is str else _text(content, number, column)
    return {"role": role, "content": text if text and not text.isspace() else ""}


def _text(content: Any, number: int, column: str) -> str | None:
    """Returns a content as text, its parts joined by line feeds.

    Raises:
        Unfit: a part is not text.
    """
    if isinstance(content, list):
        parts = [_text(part, number, column) for part in content]
        return "\n".join(part for part in parts if part and not part.isspace())
    if not isinstance(content, dict):
        return as_text(content, f"message {number} of '{column}'")
    kind = find_value(content, ("type", "kind", "content_type"))
    if kind not in TEXT_PARTS:
        raise Unfit(f"message {number} of '{column}' has a part that is not text ({kind})")
    return _text(_content(content, number, column), number, column)
