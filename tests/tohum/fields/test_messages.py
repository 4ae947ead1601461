from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fields import compile_fields
from tohum.fields.messages import ROLES

AUTOMATIC = compile_fields({}, "jsonl.fields")
WORDS = st.text(min_size=1).filter(lambda text: not text.isspace())
TURNS = st.lists(
    st.tuples(st.sampled_from([(name, role) for role in ROLES for name in ROLES[role]]), WORDS),
    min_size=1,
)


@given(TURNS, st.sampled_from(["messages", "conversations", "Konuşma"]), st.booleans())
def test_every_turn_keeps_its_role_and_text(
    turns: list[tuple[tuple[str, str], str]], column: str, sharegpt: bool
) -> None:
    keys = ("from", "value") if sharegpt else ("role", "content")
    messages = [dict(zip(keys, (name.upper(), text), strict=True)) for (name, _), text in turns]
    expected = [{"role": role, "content": text} for (_, role), text in turns]

    [mapped] = AUTOMATIC.records({"id": 1, column: messages})
    assert mapped.messages == expected
    [mapped] = AUTOMATIC.records({column: orjson.dumps(messages).decode()})
    assert mapped.messages == expected


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    [mapped] = AUTOMATIC.records({"messages": [{"role": "user", "content": parts}]})
    assert mapped.messages == [{"role": "user", "content": "a\nb"}]


def test_a_system_column_is_set_before_messages_that_have_none() -> None:
    user = {"role": "user", "content": "x"}
    own = {"role": "system", "content": "own"}

    [mapped] = AUTOMATIC.records({"system": "s", "messages": [user]})
    assert mapped.messages == [{"role": "system", "content": "s"}, user]
    [mapped] = AUTOMATIC.records({"system": "s", "messages": [own, user]})
    assert mapped.messages == [own, user]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([{"role": "tool", "content": "x"}], "role 'tool'"),
        ([{"from": "observation", "value": "x"}], "role 'observation'"),
        ([{"content": "x"}], "no role in 'messages'"),
        ([{"role": "user", "content": ""}], "no text in message 1 of 'messages'"),
        ([{"role": "user", "content": 3}], "message 1 of 'messages' is a number"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "a part that is no text"),
        ([{"role": "assistant", "tool_calls": [1]}], "message 1 of 'messages' calls a tool"),
        ([], "no message in 'messages'"),
        (None, "no text in 'messages'"),
        ("hello", "'messages' is text, expected a list"),
        ([["q", "a"]], "message 1 of 'messages' is a list"),
    ],
)
def test_what_is_no_conversation_is_told(messages: Any, problem: str) -> None:
    [mapped] = AUTOMATIC.records({"messages": messages})

    assert mapped.messages is None
    assert problem in (mapped.problem or "")
