"""The shapes in which conversations are published, as one: a list of messages.

A list of objects; one object of lists, as datasets stores {role: [...], content: [...]}; an object
of numbered entries, as pandas writes columns; a single message; any of these in an object under a
known name; any of them as JSON or a Python literal in a table's cell; a transcript in which
"Human:" and "Assistant:" begin paragraphs, as in hh-rlhf.
"""

import re
from typing import Any

from tohum.fields.names import MESSAGES, find_roles
from tohum.fields.scalars import LITERAL, Unfit, kind_of, read_literal
from tohum.fields.speakers import (
    CONTENT_KEYS,
    SPEAKER_KEYS,
    find_value,
    is_bare_message,
    is_conversation,
    is_message,
    role_of,
)

SPEAKER_KEY = re.compile(r"""["'](?:role|from|speaker)["']\s*:""")
TRANSCRIPT = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):[ ]?")


def list_messages(value: Any, column: str) -> list[Any]:
    """Returns the entries of a conversation in any of the shapes.

    Raises:
        Unfit: it has none of them.
    """
    if isinstance(value, str):
        if not LITERAL.match(value):
            return _read_transcript(value, column)
        try:
            value = read_literal(value)
        except ValueError as error:
            raise Unfit(f"'{column}' can't be read: {error}") from None
    if isinstance(value, dict):
        value = _open_object(value, column)
    if not isinstance(value, list):
        raise Unfit(f"'{column}' is {kind_of(value)}, expected a list of messages")
    return value


def find_conversation(value: Any, column: str, speaker: str | None = None) -> list[Any] | None:
    """Returns the entries of a conversation where a text was expected; None if it is none.

    Args:
        speaker: the role of the text. JSON that someone asked for may look like messages: a text is
            a conversation only if all its entries are messages with a text, some by the speaker.
    """
    if isinstance(value, str) and not (LITERAL.match(value) and SPEAKER_KEY.search(value)):
        return None
    try:
        entries = list_messages(value, column)
    except Unfit:
        return None
    if speaker is not None and isinstance(value, str) and not _all_say(entries, speaker):
        return None
    return entries if is_conversation(entries) else None


def _all_say(entries: list[Any], speaker: str) -> bool:
    """Returns whether all entries are messages with a text, and some are of a role."""
    if not all(is_bare_message(entry) and find_value(entry, CONTENT_KEYS) for entry in entries):
        return False
    names = (find_value(entry, SPEAKER_KEYS) for entry in entries)
    return any(isinstance(name, str) and role_of(name) == speaker for name in names)


def _read_transcript(text: str, column: str) -> list[Any]:
    before, *pieces = TRANSCRIPT.split(text)
    if before or not pieces:
        raise Unfit(f"'{column}' is text, expected a list of messages")
    turns = zip(pieces[::2], pieces[1::2], strict=True)
    return [{"role": role, "content": content.strip()} for role, content in turns]


def _open_object(value: dict[str, Any], column: str) -> list[Any]:
    """Returns the messages of an object that is or holds a conversation.

    Raises:
        Unfit: it does neither.
    """
    if not value:
        return []
    if all(key.isdecimal() for key in value):
        return list(value.values())
    names = find_value(value, SPEAKER_KEYS)
    if isinstance(names, list):
        return _transposed(value, column)
    if is_message(value):
        return [value]
    inner = find_roles(value)[MESSAGES]
    if len(inner) == 1:
        return list_messages(value[inner[0]], f"{column}.{inner[0]}")
    raise Unfit(f"'{column}' is an object, expected a list of messages")


def _transposed(value: dict[str, Any], column: str) -> list[Any]:
    columns = {key: entries for key, entries in value.items() if isinstance(entries, list)}
    lengths = {len(entries) for entries in columns.values()}
    if len(lengths) > 1:
        raise Unfit(f"'{column}' has lists of unequal lengths: {sorted(lengths)}")
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
