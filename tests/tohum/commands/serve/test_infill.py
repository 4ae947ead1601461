"""llama.cpp's API as llama.vim, llama.vscode, Tabby and Zed speak it, and where texts end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tohum.commands.serve.test_server import GREEDY, TEXTS, ask, choice, model, port
from tohum.commands.serve.endings import BlockEnd, StopStrings
from tohum.commands.serve.orders import MARKS, marked_middle
from tohum.decoding import Sampling
from tohum.inference import LanguageModel

__all__ = ["model", "port"]  # fixtures

# The shape in which llama.vim asks.
VIM = {
    "input_prefix": "def add(a, b):\n",
    "input_suffix": "\n\nprint(add(1, 2))\n",
    "input_extra": [{"text": "def sub(a, b):\n    return a - b\n", "filename": "other.py"}],
    "prompt": "    ret",
    "n_predict": 8,
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1000,
    "response_fields": ["content", "timings/prompt_n", "timings/predicted_ms", "truncated"],
}


def infill(port: int, **values: Any) -> dict[str, Any]:
    status, _, answer = ask(port, "/infill", {**VIM, **values})
    assert status == 200, answer
    found = json.loads(answer)
    assert isinstance(found, dict)
    return found


def test_an_editor_gets_the_fields_that_it_asks_for(port: int) -> None:
    found = infill(port)
    assert found.keys() == {"content", "timings/prompt_n", "timings/predicted_ms", "truncated"}
    assert found["timings/predicted_ms"] > 0
    assert found["content"] == infill(port)["content"], "the likeliest, so the same again"


def test_the_pieces_of_a_streamed_infill_are_the_whole(port: int) -> None:
    whole = infill(port)["content"]
    _, kind, answer = ask(port, "/infill", {**VIM, "stream": True})
    assert kind == "text/event-stream"
    events = [json.loads(event[6:]) for event in answer.decode().split("\n\n") if event]
    assert "".join(event["content"] for event in events) == whole


def test_a_request_that_only_warms_the_cache_makes_the_next_one_read_less(port: int) -> None:
    names = {"input_prefix": "class Warm:\n    x = 1\n", "input_extra": [], "response_fields": []}
    warmed = infill(port, **names, n_predict=0)
    assert warmed["content"] == ""
    assert warmed["tokens_predicted"] == 0
    assert infill(port, **names, n_predict=100)["timings"]["prompt_n"] == 0


@pytest.mark.parametrize("extra", [None, [], [{"text": "x = 1\n" * 10_000}], [{"text": None}]])
def test_neighbouring_texts_of_any_length_are_taken(port: int, extra: Any) -> None:
    assert "content" in infill(port, input_extra=extra)


def test_the_nearest_of_the_neighbouring_texts_stays(port: int) -> None:
    far = [{"text": f"far_{number} = {number}\n"} for number in range(100)]
    near = {"text": "near = 1\n"}
    all_of_them, half = (
        infill(port, input_extra=[*extra, near])["content"] for extra in (far, far[50:])
    )
    assert all_of_them == half


def test_marks_written_out_are_marks_only_in_the_exact_template(port: int) -> None:
    assert marked_middle("<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>") == ("a", "b")
    for text in ("<|fim_prefix|>a", "x<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
                 "<|fim_prefix|>a<|fim_suffix|>b<|fim_suffix|>c<|fim_middle|>",
                 "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c"):  # fmt: skip
        assert marked_middle(text) is None
    body = {"prompt": "<|fim_prefix|>def <|fim_suffix|>return<|fim_middle|>", **GREEDY}
    filled = choice(port, TEXTS, {"prompt": "def ", "suffix": "return", **GREEDY})["text"]
    assert choice(port, TEXTS, body)["text"] == filled
    status, _, answer = ask(port, "/completion", {**body, "n_predict": 8})
    assert (status, json.loads(answer)["content"]) == (200, filled)


def test_the_server_says_that_it_is_ready_and_what_it_has(port: int) -> None:
    assert json.loads(ask(port, "/health")[2]) == {"status": "ok"}
    assert json.loads(ask(port, "/props")[2])["default_generation_settings"]["n_ctx"] == 32


def shown(ending: Any, pieces: list[str]) -> str:
    """What is certain to stay of a text that comes in pieces; all of it if nothing ends it."""
    text = ""
    for piece in pieces:
        text += piece
        size, ended = ending.check(text)
        if ended:
            return text[:size]
    return text


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1),
       st.integers(1, 5))  # fmt: skip
def test_a_text_ends_before_the_first_stop_string(text: str, stops: list[str], step: int) -> None:
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    places = [text.find(stop) for stop in stops if stop in text]
    expected = text[: min(places)] if places else text
    found = shown(StopStrings(stops), pieces)
    assert found == expected


@pytest.mark.parametrize(
    ("text", "indent", "suffix", "expected"),
    [
        ("return a\nprint(1)\n", 4, "", "return a"),
        ("return a\n    b = 1\nx", 4, "", "return a\n    b = 1"),
        ("return a\n\n    b\n", 4, "", "return a\n\n    b\n"),
        ("x = 1\ny = 2\n", 0, "\ny = 2\nz\n", "x = 1"),
        ("x = 1\ny = 23\n", 0, "\ny = 2\nz\n", "x = 1\ny = 23\n"),
        ("x = 1\nz\n", 0, ")  # rest of the line\nz\n", "x = 1"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_block_ends_where_the_users_does(
    text: str, indent: int, suffix: str, expected: str, step: int
) -> None:
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    assert shown(BlockEnd(indent, suffix), pieces) == expected


def test_a_half_typed_word_is_completed(model: LanguageModel) -> None:
    """The last pretoken is spelled anew, so any way of writing it is open to the model."""
    prompt = model.text("import os\nimpor", Sampling(1))
    assert prompt.start == b"impor"
    assert model.text("x = 1\n", Sampling(1)).start == b""
    assert model.text("    ", Sampling(1)).start == b"    "
    for text in ("impor", "    ", "a b", "çö"):
        ids = model.spelling.beginning(text.encode())
        words = [model.vocabulary[id] for id in ids]
        assert all(
            word.startswith(text.encode()) or text.encode().startswith(word) for word in words
        )
        assert any(len(word) == 1 for word in words)


def test_a_line_that_ends_the_block_is_seen_though_its_id_goes_on_after_it() -> None:
    """As `)\\n\\n` does, which is one id of the default's vocabulary."""
    pieces = ['version="1",\n', ")\n\n", "x = 1\n"]
    assert shown(BlockEnd(4, "\n)\n"), pieces) == 'version="1",'
    assert shown(BlockEnd(0, "\nreturn 1\n"), ["a = 1\n", "return 1\n\n\n"]) == "a = 1"
    assert shown(BlockEnd(4, ""), ["a\n\n\n    b\n\n"]) == "a\n\n\n    b\n\n"


def test_marks_with_the_suffix_first_are_read_too() -> None:
    prefix, suffix, middle = MARKS
    assert marked_middle(f"{prefix}{suffix}behind{middle}before") == ("before", "behind")
    assert marked_middle(f"{prefix}{suffix}behind{middle}") == ("", "behind")
    assert marked_middle(f"{prefix}before{suffix}behind{middle}more") is None
