"""Who speaks in a message, and where its text is: the names that published conversations use."""

from typing import Any

from tohum.fields.names import ASSISTANT as ANSWER
from tohum.fields.names import NAMES, ROLES, SPEAKER, fold
from tohum.fields.names import USER as QUESTION

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
SPEAKER_NAMES = {
    SYSTEM: ("system", "sistem", "developer"),
    USER: ("user", "human", "kullanıcı", "insan", "prompter"),
    ASSISTANT: ("assistant", "gpt", "asistan", "yardımcı", "bot", "model", "chatgpt", "ai"),
}
ROLE_OF = {fold(name): role for role, names in SPEAKER_NAMES.items() for name in names}
TOOLS = ("tool", "function", "ipython", "observation", "function_call", "tool_call", "araç")
KNOWN = ROLE_OF.keys() | set(map(fold, TOOLS))
LANGCHAIN = ("human", "ai", "system")
SPEAKER_KEYS = (*NAMES[SPEAKER].split(), "type")  # LangChain's is the last
CONTENT_KEYS: tuple[str, ...] = (
    "content",
    "value",
    "text",
    "message",
    "msg",
    "body",
    "data",
    "parts",
)
CONTENT_KEYS += ("içerik", "metin", "mesaj")
OTHER_KEYS = "name tool_calls function_call tool_call_id kind weight train loss refusal audio"
OTHER_KEYS += " reasoning_content thinking timestamp created_at date time language lang"
MESSAGE_KEYS = set(map(fold, (*SPEAKER_KEYS, *CONTENT_KEYS, *OTHER_KEYS.split())))


def role_of(name: str) -> str | None:
    """Returns the role that a speaker's name means: system, user, assistant, or None."""
    return ROLE_OF.get(name) or ROLE_OF.get(fold(name))


def find_value(entry: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """Returns the first value that is neither null nor an empty text, whatever the case of its key;
    None if there is none.
    """
    for key in keys:
        if (value := entry.get(key)) is not None and value != "":
            return value
    folded = {fold(key): value for key, value in entry.items()}
    values = (folded.get(fold(key)) for key in keys)
    return next((value for value in values if value is not None and value != ""), None)


def is_message(value: Any) -> bool:
    """Returns whether a value is a message: an object that names a known speaker."""
    if not isinstance(value, dict):
        return False
    name, kind = find_value(value, SPEAKER_KEYS[:-1]), value.get("type")
    return (isinstance(name, str) and fold(name) in KNOWN) or (name is None and kind in LANGCHAIN)


def is_bare_message(value: Any) -> bool:
    """Returns whether a value is a message, and nothing else, such as the number of the
    conversation that it belongs to.
    """
    return is_message(value) and all(fold(key) in MESSAGE_KEYS for key in value)


def is_conversation(value: Any) -> bool:
    """Returns whether a value is a list of messages, or of objects whose keys are roles, by its
    first.
    """
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    by_role = isinstance(first, dict) and bool(first) and all(fold(key) in ROLE_OF for key in first)
    return by_role or is_message(first)


def turns_by_role(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the texts of an object whose keys say who speaks, {"human": ..., "assistant": ...},
    by role in the order of a conversation; None if a key is another one or two mean the same.
    """
    turns: dict[str, Any] = {}
    for key, value in entry.items():
        name = fold(key)
        role = ROLE_OF.get(name) or {QUESTION: USER, ANSWER: ASSISTANT}.get(ROLES.get(name, ""))
        if role is None or role in turns:
            return None
        turns[role] = value
    return {role: turns[role] for role in SPEAKER_NAMES if role in turns} or None
