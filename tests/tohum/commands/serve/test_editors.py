"""The requests that llama.vim and llama.vscode send, field by field, and editors that leave.

The shapes are those of autoload/llama.vim and src/llama-server.ts in the plugins' repositories.
"""

import http.client
import json
from typing import Any

import pytest

from tests.tohum.commands.serve.test_server import JSON, ask, model, port, serving
from tohum.inference import LanguageModel

__all__ = ["model", "port"]  # fixtures

BEFORE, AFTER = "def add(a, b):\n", "\nprint(add(1, 2))\n"
SNIPPETS = [{"text": "x = 1\n", "time": [7, 1], "filename": "other.py"}]
TIMINGS = [
    f"timings/{part}_{unit}"
    for part in ("prompt", "predicted")
    for unit in ("n", "ms", "per_token_ms", "per_second")
]
VIM = {
    "id_slot": 0, "input_prefix": BEFORE, "input_suffix": AFTER, "input_extra": SNIPPETS,
    "prompt": "    ret", "n_predict": 128, "stop": [], "n_indent": 4, "top_k": 40, "top_p": 0.9,
    "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True,
    "t_max_prompt_ms": 500, "t_max_predict_ms": 250, "model": "",
    "response_fields": ["content", *TIMINGS, "truncated", "tokens_cached"],
}  # fmt: skip
VIM_WARMS = {
    "id_slot": 0, "input_prefix": "", "input_suffix": "", "input_extra": SNIPPETS, "prompt": "",
    "n_predict": 0, "temperature": 0.0, "samplers": [], "stream": False, "cache_prompt": True,
    "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""],
}  # fmt: skip
CODE = {
    "id_slot": 0, "input_prefix": BEFORE, "input_suffix": AFTER, "input_extra": SNIPPETS,
    "prompt": "    ret", "n_predict": 128, "n_cmpl": 3, "top_k": 40, "top_p": 0.99,
    "stream": False, "samplers": ["top_k", "top_p", "infill"], "cache_prompt": True,
    "n_indent": 4, "t_max_prompt_ms": 500, "t_max_predict_ms": 2500,
}  # fmt: skip
CODE_WARMS = {
    "id_slot": 0, "input_prefix": BEFORE, "input_suffix": AFTER, "input_extra": SNIPPETS,
    "prompt": "", "n_predict": 0, "samplers": [], "cache_prompt": True, "t_max_prompt_ms": 500,
    "t_max_predict_ms": 1,
}  # fmt: skip


def infill(port: int, values: dict[str, Any]) -> dict[str, Any]:
    status, kind, answer = ask(port, "/infill", values)
    assert (status, kind) == (200, "application/json"), answer
    found = json.loads(answer)
    assert isinstance(found, dict)
    return found


def test_vim_gets_a_text_and_its_timings(port: int) -> None:
    found = infill(port, VIM)
    assert found.keys() == set(VIM["response_fields"])  # type: ignore[call-overload]
    assert found["content"]
    assert 0 < found["timings/predicted_n"] <= 128
    assert all(isinstance(found[name], int | float) for name in TIMINGS)
    assert found["content"] == infill(port, VIM)["content"]


def test_the_same_keystroke_again_reads_nothing(port: int) -> None:
    found = infill(port, {**VIM, "input_prefix": "class Again:\n"})
    again = infill(port, {**VIM, "input_prefix": "class Again:\n"})
    assert found["timings/prompt_n"] > again["timings/prompt_n"] == 0
    assert again["tokens_cached"] > 0


def test_vscode_gets_one_text(port: int) -> None:
    found = infill(port, CODE)
    assert found["content"] == infill(port, {**VIM, "t_max_predict_ms": 2500})["content"]
    assert {"prompt_ms", "prompt_n", "predicted_ms", "predicted_n"} <= found["timings"].keys()


@pytest.mark.parametrize(("body", "names"), [(VIM_WARMS, set()), (CODE_WARMS, {"content"})])
def test_a_request_without_a_text_is_answered(
    port: int, body: dict[str, Any], names: set[str]
) -> None:
    found = infill(port, body)
    assert names <= found.keys()
    assert not found.get("content")


def test_null_fields_of_an_editor_are_as_if_they_were_not_there(port: int) -> None:
    nulls = dict.fromkeys([*VIM, "temperature", "seed", "min_p", "logit_bias"])
    given = {"input_prefix": BEFORE, "input_suffix": AFTER, "n_predict": 8}
    assert infill(port, {**nulls, **given})["content"] == infill(port, given)["content"]


NUMBERS = ("n_predict", "n_indent", "top_k", "top_p", "t_max_prompt_ms", "t_max_predict_ms",
           "temperature", "seed", "repeat_penalty")  # fmt: skip


@pytest.mark.parametrize("number", ["-2", "-1e300", "1e300", "9" * 400, "1e-300", "-0.0", "NaN"])
def test_numbers_out_of_bounds_are_answered_or_refused(port: int, number: str) -> None:
    for name in NUMBERS:
        body = json.dumps({**VIM, "n_predict": 2, name: None})
        status, _, answer = ask(port, "/infill", body.replace("null", number).encode())
        assert status in (200, 400), (name, answer)
        if status == 400 and number != "NaN":
            assert json.loads(answer)["error"]["param"] == name


@pytest.mark.parametrize(
    ("text", "status"), [(b"\xff", 400), (b"\xc3", 400), (b"a\xed\xa0\x80", 200)]
)
def test_a_text_that_is_not_utf_8_is_refused_but_for_surrogates(
    port: int, text: bytes, status: int
) -> None:
    found, _, answer = ask(port, "/infill", b'{"n_predict": 2, "input_prefix": "' + text + b'"}')
    assert found == status, answer


def test_an_editor_that_leaves_within_a_stream_leaves_its_place(model: LanguageModel) -> None:
    with serving(model) as port:
        for _ in range(20):  # more than there are places
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            body = {"prompt": "x", "n_predict": 1_000_000, "stream": True, "temperature": 1}
            connection.request("POST", "/completion", json.dumps(body), JSON)
            answer = connection.getresponse()
            assert answer.readline().startswith(b"data: ")
            answer.close()  # the last that holds the socket, so it is closed too
            connection.close()
        assert infill(port, VIM)["content"]
