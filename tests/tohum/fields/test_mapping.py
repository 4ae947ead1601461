from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tohum.errors import UserError
from tohum.fields import Mapped, compile_fields
from tohum.fields.names import ASSISTANT, INSTRUCTIONS, NAMES, TEXT, USER

WORDS = st.text(min_size=1).filter(lambda text: not text.isspace())
NAME = st.text("abcçdıgğş_ -", min_size=1, max_size=6).filter(str.strip)
AUTOMATIC = compile_fields({}, "jsonl.fields")


def role(of: str) -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES[of].split())


def exchange(user: str, assistant: str, system: str = "") -> list[dict[str, str]]:
    before = [{"role": "system", "content": system}] if system else []
    pair = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return before + pair


def only(records: list[Mapped]) -> Mapped:
    assert len(records) == 1
    return records[0]


@given(role(USER), role(ASSISTANT), WORDS, WORDS, st.booleans())
def test_a_question_and_an_answer_of_any_name_are_never_swapped(
    user: str, assistant: str, question: str, answer: str, turned: bool
) -> None:
    row = {user.upper(): question, assistant.title(): answer, "id": 7}
    if turned:
        row = dict(reversed(row.items()))

    assert only(AUTOMATIC.records(row)).messages == exchange(question, answer)


@given(role(USER), role(TEXT), WORDS, WORDS)
def test_a_text_beside_a_question_without_an_answer_is_the_answer(
    user: str, text: str, question: str, answer: str
) -> None:
    assert only(AUTOMATIC.records({text: answer, user: question})).messages == exchange(
        question, answer
    )


def test_lines_of_differing_names_in_one_file_are_the_same_records() -> None:
    rows = [
        {"promt": "Işık?", "content": "Evet"},
        {"request": "Işık?", "response": "Evet"},
        {"SORU": "Işık?", "Cevap": "Evet"},
        {"talimat": "Işık?", "girdi": "", "çıktı": "Evet"},
        {"instruction": "Işık?", "output": "Evet"},
        {"input": "Işık?", "output": "Evet"},
    ]

    for row in rows:
        assert only(AUTOMATIC.records(row)).messages == exchange("Işık?", "Evet")


@given(role(TEXT), WORDS)
def test_a_text_of_any_name_is_the_content(name: str, text: str) -> None:
    assert only(AUTOMATIC.records({"id": 1, name: text})) == Mapped(content=text)


@given(st.sampled_from(INSTRUCTIONS), WORDS, WORDS, WORDS)
def test_an_input_follows_its_instruction(name: str, asked: str, given_: str, told: str) -> None:
    row = {name: asked, "input": given_, "output": told}

    assert only(AUTOMATIC.records(row)).messages == exchange(f"{asked}\n\n{given_}", told)


def test_a_system_column_comes_first_where_it_has_text() -> None:
    row = {"sistem": "Kısa yaz.", "soru": "a", "cevap": "b"}

    assert only(AUTOMATIC.records(row)).messages == exchange("a", "b", "Kısa yaz.")
    assert only(AUTOMATIC.records({**row, "sistem": None})).messages == exchange("a", "b")


def test_provenance_is_found_and_lists_of_licences_are_joined() -> None:
    row = {
        "content": "x = 1",
        "max_stars_repo_path": "a.py",
        "Repo_Name": "owner/name",
        "licenses": ["MIT", "Apache-2.0"],
        "lang": "Python",
    }

    assert only(AUTOMATIC.records(row)) == Mapped(
        content="x = 1",
        path="a.py",
        repo="owner/name",
        license="MIT; Apache-2.0",
        language="Python",
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"soru": "a", "cevap": ""}, "no text in 'cevap'"),
        ({"soru": None, "cevap": "b"}, "no text in 'soru'"),
        ({"text": {"a": "b"}}, "'text' is an object, expected text"),
        ({"text": float("nan")}, "no text in 'text'"),
        ({"text": b"\xff"}, "'text' is bytes that are not UTF-8, expected text"),
        ({"text": ["a", "b"]}, "'text' is a list, expected text"),
        ({"instruction": "a", "input": [3], "output": "b"}, "'input' is a list, expected text"),
        ({"a": 1, "b": 2}, "no known column among a, b"),
        ({}, "no known column among none at all"),
        ({"soru": "a", "b": 2}, "'soru' is a question, but no answer is known"),
        ({"cevap": "a", "b": 2}, "'cevap' is an answer, but no question is known"),
    ],
)
def test_a_row_without_a_text_is_a_problem_that_is_told(row: dict[str, Any], problem: str) -> None:
    mapped = only(AUTOMATIC.records(row))

    assert (mapped.content, mapped.messages) == (None, None)
    assert mapped.problem is not None
    assert mapped.problem.startswith(problem)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1), NAME, NAME)
def test_every_element_of_a_list_is_a_record(
    files: list[tuple[str, str]], outer: str, inner: str
) -> None:
    given_ = {"content": f"{outer}[].{inner}", "path": f"{outer}[].path", "repo": "name"}
    assume(inner != "path" and outer != "name")
    fields = compile_fields(given_, "jsonl.fields")
    row = {"name": "r", outer: [{inner: text, "path": path} for text, path in files]}

    assert fields.records(row) == [
        Mapped(content=text, path=path, repo="r") for text, path in files
    ]


@pytest.mark.parametrize("files", [None, [], "text", {"content": "x"}])
def test_a_row_whose_list_is_empty_or_none_is_told(files: Any) -> None:
    fields = compile_fields({"content": "files[].content"}, "jsonl.fields")

    assert only(fields.records({"files": files})).problem == "no element in 'files'"


@pytest.mark.parametrize(
    "cell", ['[{"content": "x"}, {"content": "y"}]', "[{'content': 'x'}, {'content': 'y'}]"]
)
def test_a_list_may_be_text_in_a_cell(cell: str) -> None:
    fields = compile_fields({"content": "files[].content"}, "jsonl.fields")

    assert [one.content for one in fields.records({"files": cell})] == ["x", "y"]


def test_an_element_that_has_no_text_is_told_and_the_others_are_kept() -> None:
    fields = compile_fields({"content": "files[].content"}, "jsonl.fields")
    mapped = fields.records({"files": [{"content": "x"}, {"content": None}, 3]})

    assert [one.content for one in mapped] == ["x", None, None]
    assert [one.problem for one in mapped][1:] == ["no text in 'files[].content'"] * 2


def test_paths_and_templates_reach_into_objects() -> None:
    given_ = {"user": "{meta.title}: {soru}", "assistant": "meta.cevap", "license": ""}
    row = {"soru": "a", "meta": {"title": "t", "cevap": "b"}, "license": "MIT"}

    mapped = only(compile_fields(given_, "jsonl.fields").records(row))
    assert mapped.messages == exchange("t: a", "b")
    assert mapped.license is None


def test_a_column_with_a_dot_in_its_name_is_first() -> None:
    fields = compile_fields({"content": "a.b"}, "jsonl.fields")

    assert only(fields.records({"a.b": "x", "a": {"b": "y"}})).content == "x"
    assert only(fields.records({"a": {"b": "y"}})).content == "y"


def test_a_configured_column_that_a_row_lacks_is_told_with_those_it_has() -> None:
    fields = compile_fields({"content": "metn"}, "jsonl.fields")

    assert only(fields.records({"metin": "x"})).problem == "no column 'metn' among metin"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contnet": "x"}, r"unknown key 'jsonl\.fields\.contnet'\. Did you mean 'content'"),
        ({"content": "{a"}, r"jsonl\.fields\.content: '\{a' has a single '\{'"),
        ({"content": "{{a}}"}, r"jsonl\.fields\.content: .* names no column"),
        ({"content": "a..b"}, r"jsonl\.fields\.content: 'a\.\.b' is not a path"),
        ({"content": ""}, r"jsonl\.fields\.content: '' is not a path"),
        ({"content": "a[].b[].c"}, r"jsonl\.fields\.content: .* two lists"),
        ({"user": "a"}, r"jsonl\.fields has user, expected content"),
        ({"content": "a", "messages": "b"}, r"jsonl\.fields has content, messages"),
        ({"system": "a"}, r"jsonl\.fields has system, expected"),
        ({"content": "a[].b", "path": "c[].d"}, r"jsonl\.fields goes through several lists"),
        ({"path": "c[].d"}, r"jsonl\.fields takes only provenance from c\[\]"),
    ],
)
def test_a_mapping_that_makes_no_record_names_its_key(fields: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compile_fields(fields, "jsonl.fields")
