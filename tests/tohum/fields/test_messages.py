from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fields import compile_fields
from tohum.fields.speakers import SPEAKER_NAMES as ROLES

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


EMPTY = [
    "",
    "  \n",
    None,
    [],
    [""],
    [{"type": "text", "text": " "}],
    [{"type": "text", "text": None}],
]
ASKED, ANSWERED = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


@pytest.mark.parametrize("nothing", EMPTY)
def test_an_empty_system_message_is_as_if_there_were_none(nothing: Any) -> None:
    empty = {"role": "system", "content": nothing}

    for messages in ([empty, ASKED, ANSWERED], [ASKED, empty, ANSWERED], [ASKED, ANSWERED, empty]):
        [mapped] = AUTOMATIC.records({"messages": messages})
        assert (mapped.messages, mapped.problem) == ([ASKED, ANSWERED], None)
    [mapped] = AUTOMATIC.records({"system": "s", "messages": [empty, ASKED, ANSWERED]})
    assert mapped.messages == [{"role": "system", "content": "s"}, ASKED, ANSWERED]


@pytest.mark.parametrize("nothing", EMPTY)
@pytest.mark.parametrize("roles", [["assistant"], ["user"], ["user", "assistant"]])
def test_a_conversation_ends_before_the_messages_without_text_at_its_end(
    nothing: Any, roles: list[str]
) -> None:
    empty = [{"role": role, "content": nothing} for role in roles]

    [mapped] = AUTOMATIC.records({"messages": [ASKED, ANSWERED, *empty]})
    assert mapped.messages == [ASKED, ANSWERED]
    [mapped] = AUTOMATIC.records({"messages": [ASKED, ANSWERED, ASKED, *empty]})
    assert mapped.messages == [ASKED, ANSWERED, ASKED]


@pytest.mark.parametrize("nothing", EMPTY)
def test_a_gap_or_a_question_that_was_never_answered_is_lost_unless_there_is_no_text(
    nothing: Any,
) -> None:
    user, assistant, system = (
        {"role": role, "content": nothing} for role in ("user", "assistant", "system")
    )
    own = {"role": "system", "content": "s"}
    for messages, number, empty in (
        ([user, ANSWERED], 1, False),
        ([ASKED, assistant, ASKED, ANSWERED], 2, False),
        ([ASKED, ANSWERED, user, ANSWERED], 3, False),
        ([ASKED, assistant], 2, False),
        ([own, ASKED, assistant], 3, False),
        ([own, user, ANSWERED], 2, False),
        ([own, user, assistant], 2, True),
        ([user, assistant], 1, True),
        ([system], 1, True),
        ([user], 1, True),
    ):
        [mapped] = AUTOMATIC.records({"messages": messages})
        assert (mapped.messages, mapped.empty) == (None, empty)
        assert mapped.problem == f"no text in message {number} of 'messages'"


def test_a_question_alone_stays_as_it_is() -> None:
    [mapped] = AUTOMATIC.records({"messages": [ASKED]})
    assert mapped.messages == [ASKED]


def test_empty_parts_are_left_out() -> None:
    parts = [{"type": "text", "text": ""}, "a", {"text": None}, {"type": "text", "text": "b"}]

    [mapped] = AUTOMATIC.records({"messages": [{"role": "user", "content": parts}]})
    assert mapped.messages == [{"role": "user", "content": "a\nb"}]


def test_a_message_that_has_the_keys_of_both_shapes_is_read_by_those_that_are_not_null() -> None:
    """So pyarrow and datasets read files whose rows are of either shape."""
    message = {"role": None, "content": None, "from": "human", "value": "x", "tool_calls": None}

    [mapped] = AUTOMATIC.records({"messages": [message]})
    assert mapped.messages == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([{"role": "tool", "content": "x"}], "role 'tool'"),
        ([{"from": "observation", "value": "x"}], "role 'observation'"),
        ([{"content": "x"}], "no role in 'messages'"),
        ([{"role": "user", "content": ""}], "no text in message 1 of 'messages'"),
        ([{"role": "user", "content": {"a": 3}}, ANSWERED], "no text in message 1 of 'messages'"),
        ([{"role": "user", "content": {"a": "x"}}], "message 1 of 'messages' has no known text, b"),
        ([{"role": "user", "utterance": "x"}], "message 1 of 'messages' has no known text, but 'u"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "a part that is not text"),
        ([{"role": "assistant", "tool_calls": [1]}], "message 1 of 'messages' calls a tool"),
        (
            [ASKED, {"role": "assistant", "content": None, "tool_calls": [1]}, ANSWERED],
            "message 2 of 'messages' calls a tool",
        ),
        ([ASKED, {"role": "tool", "content": ""}, ANSWERED], "role 'tool'"),
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
