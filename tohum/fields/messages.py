"""Conversations in the shapes that people write them, brought to [{role, content}].

OpenAI's {role, content}, its content as text or as a list of {type: text, text}; ShareGPT's
{from, value}; and either written as JSON into a cell of a table.
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
    """Returns the messages of a conversation, `system` before them where they have none.

    Raises:
        Unfit: it is no conversation, or has a message that is none of the three roles or no text.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except ValueError as error:
            raise Unfit(f"'{column}' is no JSON: {error}") from None
    if not isinstance(value, list):
        raise Unfit(f"'{column}' is {kind_of(value)}, expected a list of messages")
    if not value:
        raise Unfit(f"no message in '{column}'")
    messages = [_message(entry, number, column) for number, entry in enumerate(value, 1)]
    if system and all(message["role"] != "system" for message in messages):
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _message(entry: Any, number: int, column: str) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise Unfit(f"message {number} of '{column}' is {kind_of(entry)}, expected an object")
    name = entry.get("role", entry.get("from"))
    role = ROLE_OF.get(fold(name)) if isinstance(name, str) else None
    if role is None:
        raise Unfit(f"role {name!r}" if name is not None else f"no role in '{column}'")
    if entry.get("tool_calls") or entry.get("function_call"):
        raise Unfit(f"message {number} of '{column}' calls a tool")
    content = entry["content"] if "content" in entry else entry.get("value")
    if type(content) is list:
        content = "\n".join(_part(part, number, column) for part in content)
    if content is not None and not isinstance(content, str):
        raise Unfit(f"message {number} of '{column}' is {kind_of(content)}, expected text")
    if not content or content.isspace():
        raise Empty(f"no text in message {number} of '{column}'")
    return {"role": role, "content": content}


def _part(part: Any, number: int, column: str) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    kind = part.get("type", "text") if isinstance(part, dict) else "text"
    if kind != "text" or not isinstance(text, str):
        raise Unfit(f"message {number} of '{column}' has a part that is no text ({kind})")
    return text
