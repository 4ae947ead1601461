"""Conversations as datasets publish them, in every kind of file, from the file to the record."""

import csv
import datetime
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tohum.readers.reading import rows_of, write
from tohum.errors import UserError
from tohum.fields import Mapped, compile_fields
from tohum.readers import Row, detect, read_blocks

AUTOMATIC = compile_fields({}, "jsonl.fields")
USER, ASSISTANT = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
SYSTEM = {"role": "system", "content": "s"}
HUMAN, GPT = {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}
EXCHANGE = [USER, ASSISTANT]


def records_of(path: Path, given_: dict[str, str] | None = None) -> list[Mapped]:
    """What the file's rows become; a broken row is a problem too."""
    fields = compile_fields(given_ or {}, "jsonl.fields")
    found = []
    for row in rows_of(path):
        found += (
            fields.records(row.values) if isinstance(row, Row) else [Mapped(problem=row.reason)]
        )
    return found


def save(folder: Path, kind: str, rows: list[Any]) -> Path:
    """Writes rows as one of the kinds of file."""
    path = folder / f"a.{kind.partition(' ')[0]}"
    if kind == "json":
        return write(path, json.dumps(rows, ensure_ascii=False))
    if kind == "json pretty":
        return write(path, json.dumps(rows, indent=2))
    if kind == "json in an object":
        return write(path, json.dumps({"version": 1, "data": rows}))
    if kind == "json lines":
        return write(path, "\n".join(map(json.dumps, rows)))
    if kind == "jsonl":
        return write(path, "".join(json.dumps(row) + "\n" for row in rows))
    if kind == "json columns":
        columns = {name: {str(n): row[name] for n, row in enumerate(rows)} for name in rows[0]}
        return write(path, json.dumps(columns))
    if kind == "json index":
        return write(path, json.dumps({str(n): row for n, row in enumerate(rows)}))
    if kind == "json split":
        data = {"columns": list(rows[0]), "index": [7, 8], "data": [[*r.values()] for r in rows]}
        return write(path, json.dumps(data))
    if kind == "json lists":
        return write(path, json.dumps({name: [row[name] for row in rows] for name in rows[0]}))
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(rows[0])
    for row in rows:
        cells = [
            value if isinstance(value, str) else row_text(value, kind) for value in row.values()
        ]
        table.writerow(cells)
    return write(path, text.getvalue())


def row_text(value: Any, kind: str) -> str:
    if value is None:
        return ""
    return json.dumps(value) if kind.endswith("JSON") else str(value)


KINDS = ["json", "json pretty", "json in an object", "json lines", "jsonl", "json columns"]
KINDS += ["json index", "json split", "json lists", "parquet", "csv with JSON", "csv with Python"]
CONVERSATIONS: dict[str, dict[str, Any]] = {
    "openai": {"messages": EXCHANGE},
    "sharegpt": {"id": "x", "conversations": [HUMAN, GPT]},
    "capitals": {
        "messages": [{"role": "USER", "content": "q"}, {"role": "ASSISTANT", "content": "a"}]
    },
    "turkish": {
        "mesajlar": [{"rol": "Kullanıcı", "içerik": "q"}, {"rol": "ASİSTAN", "içerik": "a"}]
    },
    "turkish dialogue": {
        "diyalog": [{"kimden": "insan", "metin": "q"}, {"kimden": "Yardımcı", "metin": "a"}]
    },
    "dialog": {"dialog": EXCHANGE},
    "two keys": {"conversation": [{"human": "q", "assistant": "a"}]},
    "one key a turn": {"conversation": [{"human": "q"}, {"gpt": "a"}]},
    "trl": {"prompt": [USER], "completion": [ASSISTANT]},
    "trl text prompt": {"prompt": "q", "completion": [ASSISTANT]},
    "trl single messages": {"prompt": USER, "completion": ASSISTANT},
    "preference": {"prompt": "q", "chosen": "a", "rejected": "no"},
    "trl preference": {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]},
    "implicit prompt": {
        "chosen": EXCHANGE,
        "rejected": [USER, {"role": "assistant", "content": "no"}],
    },
    "binarized": {"prompt": "q", "chosen": EXCHANGE, "rejected": EXCHANGE},
    "ultrachat": {"prompt": "q", "prompt_id": "x", "messages": EXCHANGE},
    "ultrafeedback": {
        "prompt": "q",
        "chosen": EXCHANGE,
        "rejected": EXCHANGE,
        "messages": EXCHANGE,
    },
    "hh-rlhf": {
        "chosen": "\n\nHuman: q\n\nAssistant: a",
        "rejected": "\n\nHuman: q\n\nAssistant: no",
    },
    "alpaca": {"instruction": "q", "input": "", "output": "a"},
    "soru": {"soru": "q", "cevap": "a"},
    "datasets": {"conversations": {"from": ["human", "gpt"], "value": ["q", "a"]}},
    "numbered": {"conversations": {"0": HUMAN, "1": GPT}},
    "nested": {"conversation": {"id": "1", "messages": EXCHANGE}},
    "langchain": {
        "messages": [
            {"type": "human", "data": {"content": "q"}},
            {"type": "ai", "data": {"content": "a"}},
        ]
    },
    "kinds": {
        "messages": [
            {"role": "user", "content": [{"kind": "text", "text": "q"}]},
            {"role": "assistant", "content": [{"kind": "text", "content": "a"}]},
        ]
    },
    "gemini": {
        "messages": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"text": "a"}]},
        ]
    },
    "responses": {
        "messages": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a"}],
            },
        ]
    },
    "no tool calls": {
        "messages": [{**USER, "tool_calls": None}, {**ASSISTANT, "tool_calls": None}]
    },
    "empty system": {"messages": [{"role": "system", "content": ""}, USER, ASSISTANT]},
    "null system": {"messages": [{"role": "system", "content": None}, USER, ASSISTANT]},
    "empty last": {"messages": [USER, ASSISTANT, {"role": "assistant", "content": " \n"}]},
}

# lists of messages that may be one conversation; null where the other one speaks
UNCLEAR = [("json lists", "trl single messages"), ("parquet", "one key a turn")]


CASES = sorted({(kind, name) for kind in KINDS for name in CONVERSATIONS} - set(UNCLEAR))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_published_conversation_is_one_in_every_kind_of_file(
    tmp_path: Path, name: str, kind: str
) -> None:
    row = CONVERSATIONS[name]
    for count in (1, 2):
        mapped = records_of(save(tmp_path, kind, [row] * count))
        assert [one.messages for one in mapped] == [EXCHANGE] * count, mapped


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_file_that_is_one_object_is_its_only_row(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.json", json.dumps(CONVERSATIONS[name], indent=1))

    assert [one.messages for one in records_of(path)] == [EXCHANGE]


@pytest.mark.parametrize("messages", [EXCHANGE, [HUMAN, GPT], [{**USER, "weight": 0}, ASSISTANT]])
def test_lists_of_messages_are_rows(tmp_path: Path, messages: list[Any]) -> None:
    """One conversation as a JSON array; nanochat's lines; an array of arrays."""
    once, lines = json.dumps(messages), f"{json.dumps(messages)}\n" * 3
    for name, text, count in (
        ("a.json", once, 1),
        ("b.json", json.dumps(messages, indent=2), 1),
        ("c.json", lines, 3),
        ("d.jsonl", lines, 3),
        ("e.jsonl", lines.replace("}\n", "}, NaN\n"), 3),
        ("f.json", f"[{once}, {once}]", 2),
    ):
        mapped = records_of(write(tmp_path / name, text))
        assert [one.messages for one in mapped] == [EXCHANGE] * count, name


MESSAGE_ROWS: list[dict[str, Any]] = [
    {"message_id": "1", "parent_id": "", "text": "x", "role": "prompter", "lang": "en"},
    {"role": "user", "content": "x", "conversation_id": "7"},
    {"from": "human", "text": "x", "id": "1"},
    {"Rol": "Kullanıcı", "Metin": "x", "sıra": "1"},
    {"speaker": "Ada", "text": "x"},
    {"role": "Engineer", "content": "x"},
    {"FROM": "ada@example.org", "body": "x"},
]


@pytest.mark.parametrize("row", MESSAGE_ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_one_message_is_never_a_plain_text(
    tmp_path: Path, kind: str, row: dict[str, Any]
) -> None:
    path = save(tmp_path, kind, [row] * 2)
    with pytest.raises(UserError, match="each row is one message") as refusal:
        records_of(path)
    assert "'jsonl.fields={content: " in str(refusal.value)


@pytest.mark.parametrize("row", MESSAGE_ROWS)
def test_whoever_wants_single_messages_says_so(row: dict[str, Any]) -> None:
    text = next(name for name in row if name.lower() in ("text", "content", "metin", "body"))

    [mapped] = compile_fields({"content": text}, "jsonl.fields").records(row)
    assert mapped == Mapped(content="x", language=row.get("lang"))


@pytest.mark.parametrize(
    "file",
    [
        {"data": EXCHANGE},
        {"talk": [HUMAN, GPT], "id": 1},
        {"message_tree_id": "1", "prompt": {"role": "prompter", "text": "q", "replies": []}},
        [{"chat": EXCHANGE}],
        [{"tur": [USER]}],
        [["q", "a"], ["q", "a"]],
        [{"messages": [["user", "q"], ["assistant", "a"]]}],
        [
            {
                "messages": [
                    {"role": "user", "utterance": "q"},
                    {"role": "assistant", "utterance": "a"},
                ]
            }
        ],
        [{"messages": [{"role": "user", "content": ["q", {"type": "image"}]}, ASSISTANT]}],
    ],
)
def test_what_cannot_be_read_as_a_conversation_is_lost_with_a_reason(
    tmp_path: Path, file: Any
) -> None:
    for mapped in records_of(write(tmp_path / "a.json", json.dumps(file))):
        assert (mapped.content, mapped.messages, mapped.empty) == (None, None, False)
        assert mapped.problem


@pytest.mark.parametrize(
    ("row", "empty"),
    [
        ({"messages": [USER, {"role": "assistant", "content": ""}]}, False),
        ({"messages": [{"role": "user", "content": None}, ASSISTANT]}, False),
        ({"prompt": [USER], "completion": []}, False),
        ({"prompt": [USER], "completion": [{"role": "assistant", "content": " "}]}, False),
        ({"soru": "q", "cevap": " "}, False),
        ({"soru": None, "cevap": "a"}, False),
        ({"meta": "x"}, False),
        ({"text": " "}, True),
        ({"soru": None, "cevap": ""}, True),
        ({"messages": []}, True),
        ({"messages": None}, True),
        ({"messages": [{"role": "user", "content": " "}]}, True),
    ],
)
def test_only_a_row_without_any_text_is_no_loss(row: dict[str, Any], empty: bool) -> None:
    [mapped] = AUTOMATIC.records(row)

    assert (mapped.content, mapped.messages) == (None, None)
    assert mapped.empty == empty, mapped.problem


@pytest.mark.parametrize(
    ("given_", "row", "empty"),
    [
        ({"content": "meta.text"}, {"meta": {"text": None}}, True),
        ({"content": "meta.text"}, {"meta": None}, True),
        ({"content": "meta.text"}, {"meta": "a text"}, False),
        ({"content": "a[0]"}, {"a": []}, True),
        ({"content": "a[0]"}, {"a": [""]}, True),
        ({"content": "a[0]"}, {"a": "a text"}, False),
        ({"content": "a[0]"}, {"a": [["b"]]}, False),
        ({"content": "a[].b"}, {"a": []}, True),
        ({"content": "a[].b"}, {"a": "a text"}, False),
        ({"content": "a[].b"}, {"a": ["a text"]}, False),
    ],
)
def test_a_path_past_a_text_is_a_loss_and_one_to_nothing_is_none(
    given_: dict[str, str], row: dict[str, Any], empty: bool
) -> None:
    [mapped] = compile_fields(given_, "jsonl.fields").records(row)

    assert mapped.content is None
    assert mapped.empty == empty, mapped.problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2, "2"),
        (-0.5, "-0.5"),
        (True, "true"),
        (False, "false"),
        (Decimal("1.50"), "1.50"),
        (datetime.date(2024, 2, 29), "2024-02-29"),
        (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29 12:30:00"),
        ("ağaç".encode(), "ağaç"),
    ],
)
def test_a_scalar_is_a_text(value: Any, text: str) -> None:
    [mapped] = AUTOMATIC.records({"question": "1+1?", "answer": value})
    assert mapped.messages == [
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": text},
    ]
    [mapped] = AUTOMATIC.records({"text": value})
    assert mapped.content == text
    [mapped] = compile_fields({"content": "{a}!"}, "jsonl.fields").records({"a": value})
    assert mapped.content == f"{text}!"
    [mapped] = AUTOMATIC.records({"messages": [{"role": "user", "content": value}]})
    assert mapped.messages == [{"role": "user", "content": text}]


@pytest.mark.parametrize("value", [["a"], "['a']", '["a"]', ["a", "b"]])
def test_the_first_of_a_list_is_named_by_its_place(value: Any) -> None:
    row = {"question": "q", "answer": value, "answers": {"text": value}}

    for path in ("answer[0]", "answers.text[0]", "{answers.text[0]}"):
        fields = compile_fields({"user": "question", "assistant": path}, "jsonl.fields")
        assert [one.messages for one in fields.records(row)] == [EXCHANGE]
    files = {"files": [{"texts": ["x", "y"]}, {"texts": ["z"]}]}
    mapped = compile_fields({"content": "files[].texts[0]"}, "jsonl.fields").records(files)
    assert [one.content for one in mapped] == ["x", "z"]
    [mapped_one] = AUTOMATIC.records({"question": "q", "answer": ["a"]})
    assert mapped_one.problem == "'answer' is a list, expected text; 'answer[0]' is its first"


def test_of_parquet_the_column_of_a_place_in_a_list_is_read() -> None:
    decided = compile_fields({"content": "a.b[0]"}, "jsonl.fields").decide(("a", "c"))

    assert decided is not None
    assert decided[1] == {("a", "b")}


def test_a_column_whose_name_ends_in_a_place_is_first() -> None:
    fields = compile_fields({"content": "a[0]"}, "jsonl.fields")

    assert fields.records({"a[0]": "x", "a": ["y"]}) == [Mapped(content="x")]


def test_arrays_as_numpy_prints_them_are_read() -> None:
    cell = "[{'from': 'human', 'value': 'q}\\n {'}\n {'from': 'gpt', 'value': \"it's\"}]"

    [mapped] = AUTOMATIC.records({"conversations": cell})
    assert [one["content"] for one in mapped.messages or []] == ["q}\n {", "it's"]


@pytest.mark.parametrize(
    "cell",
    ["[{'role': 'user', 'content': '\\ud800'}]", "[" * 5000, "{'a'}", "[...]", "[1+1j]", "[b'x']"],
)
def test_a_literal_that_is_no_text_is_lost_with_a_reason(cell: str) -> None:
    [mapped] = AUTOMATIC.records({"messages": cell})

    assert mapped.messages is None
    assert mapped.problem and not mapped.empty


def test_code_in_an_answer_is_not_taken_for_a_conversation() -> None:
    for answer in ('[{"role": "admin"}]', "{'role': x}", '[{"a": 1}]', '{"role": ["a"]}'):
        [mapped] = AUTOMATIC.records({"soru": "q", "cevap": answer})
        assert mapped.messages == [USER, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    "answer",
    [
        '{"name": "Ali", "role": "user"}',
        '{"id": 1, "role": "user", "email": "a@x.io"}',
        '[{"role": "user", "content": "Hi"}]',
        '{"from": "system", "message": "Disk full"}',
        '[{"role": "assistant", "content": "x"}, {"role": "assistant", "since": 2020}]',
    ],
)
def test_json_that_was_asked_for_is_an_answer(answer: str) -> None:
    [mapped] = AUTOMATIC.records({"instruction": "Make it", "output": answer})
    assert mapped.problem is None
    assert mapped.messages == [
        {"role": "user", "content": "Make it"},
        {"role": "assistant", "content": answer},
    ]


def test_json_of_a_system_message_alone_is_a_question() -> None:
    prompt = '[{"role": "system", "content": "Be brief."}]'
    [mapped] = AUTOMATIC.records({"prompt": prompt, "completion": "x"})
    assert mapped.messages == [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": "x"},
    ]


@pytest.mark.parametrize("number", ["15511210043330985984000000", "-9223372036854775809"])
def test_a_number_that_was_rounded_is_not_taken(number: str) -> None:
    value = orjson.loads(number)
    assert type(value) is float
    [mapped] = AUTOMATIC.records({"question": "25!", "answer": value})
    assert mapped.messages is None
    assert "too long to be read exactly" in str(mapped.problem)


def test_system_messages_and_an_assistant_that_begins_stay() -> None:
    for messages in ([SYSTEM, SYSTEM, USER, ASSISTANT], [ASSISTANT, USER, ASSISTANT], [SYSTEM]):
        [mapped] = AUTOMATIC.records({"messages": messages})
        assert mapped.messages == messages


def test_a_prompt_of_several_messages_goes_before_its_completion() -> None:
    row = {"prompt": [SYSTEM, USER, ASSISTANT, USER], "completion": [ASSISTANT]}

    [mapped] = AUTOMATIC.records(row)
    assert mapped.messages == [SYSTEM, USER, ASSISTANT, USER, ASSISTANT]


def test_a_map_in_parquet_is_a_message(tmp_path: Path) -> None:
    kind = pyarrow.list_(pyarrow.map_(pyarrow.string(), pyarrow.string()))
    messages = pyarrow.array([[[*USER.items()], [*ASSISTANT.items()]]], kind)
    pyarrow.parquet.write_table(pyarrow.table({"messages": messages}), tmp_path / "a.parquet")

    assert [one.messages for one in records_of(tmp_path / "a.parquet")] == [EXCHANGE]


def test_a_table_of_columns_on_a_line_is_its_rows() -> None:
    """As pandas' `to_json` writes a file that is called .jsonl."""
    row = {"conversations": {"0": EXCHANGE, "1": [HUMAN, GPT]}, "id": {"0": 1, "1": 2}}

    assert [one.messages for one in AUTOMATIC.records(row)] == [EXCHANGE] * 2


def test_what_follows_an_array_is_not_left_out_without_a_word(tmp_path: Path) -> None:
    def rows(text: str) -> list[str]:
        path = write(tmp_path / "a.json", text)
        blocks = read_blocks(path, detect(path))
        return [type(row).__name__ for block in blocks for row in block.rows()]

    assert rows('[{"text": "a"}]\n{"text": "b"}') == ["Row", "Row"]
    assert rows('[{"text": "a"}] x') == ["Row", "Broken"]
    with pytest.raises(UserError, match="ends before its array does"):
        rows("[1] [2")


VALUES = st.recursive(
    st.none() | st.text(max_size=3) | st.integers(0, 3) | st.sampled_from(["user", "gpt"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "0", "text"]), inner)
    ),
    max_leaves=8,
)
COLUMNS = st.sampled_from(["messages", "prompt", "completion", "text", "role", "soru", "x", "0"])


@given(st.dictionaries(COLUMNS, VALUES, max_size=4), st.booleans())
def test_any_row_is_a_record_or_a_reason_or_a_choice(row: dict[str, Any], cells: bool) -> None:
    if cells:
        row = {name: str(value) for name, value in row.items()}
    try:
        records = AUTOMATIC.records(row)
    except UserError as refusal:
        assert "jsonl.fields={" in str(refusal)
        return
    for mapped in records:
        set_ = [mapped.content, mapped.messages, mapped.problem]
        assert sum(one is not None for one in set_) == 1
        assert mapped.content is None or not {"role", "from"} & row.keys()
        orjson.dumps([mapped.content, mapped.messages])
