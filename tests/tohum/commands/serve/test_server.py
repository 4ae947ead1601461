import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import openai
import pytest
import torch

from tests.tohum.trained import write_language_model
from tohum.commands.generate.config import Generate
from tohum.commands.serve.openai_api import Offsets, _table
from tohum.commands.serve.server import open_server
from tohum.decoding import Sampling, Step
from tohum.errors import UserError
from tohum.formats.special_tokens import END_OF_TEXT_ID, MIDDLE_ID, PREFIX_ID, SUFFIX_ID
from tohum.inference import LanguageModel, load_language_model

JSON = {"Content-Type": "application/json"}
GREEDY = {"max_tokens": 8, "temperature": 0}
MESSAGES = [{"role": "user", "content": "def "}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_language_model(write_language_model(tmp_path_factory.mktemp("server") / "lm"))


def options(port: int = 0) -> Generate:
    return Generate("def ", None, False, port, 12, 1.0, 0, 1.0, 0, 0, 1)


@pytest.fixture(scope="module")
def port(model: LanguageModel) -> Iterator[int]:
    with serving(model) as port:
        yield port


@contextmanager
def serving(model: LanguageModel, api_key: str | None = None) -> Iterator[int]:
    with open_server(model, options(), api_key=api_key) as (server, listener):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        thread.join()


def ask(
    port: int, path: str, body: Any = None, headers: dict[str, str] = JSON
) -> tuple[int, str, bytes]:
    """The status, the type and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, data, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers.get_content_type(), answer.read()
    finally:
        connection.close()


def choice(port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, kind, answer = ask(port, path, body)
    assert (status, kind) == (200, "application/json")
    found = json.loads(answer)["choices"]
    assert isinstance(found, list)
    assert isinstance(found[0], dict)
    return found[0]


def events(port: int, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    status, kind, answer = ask(port, path, {**body, "stream": True})
    assert (status, kind) == (200, "text/event-stream")
    *found, last, rest = answer.decode().split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: "))["choices"][0] for event in found]


def test_a_completion_is_what_generate_writes(port: int, model: LanguageModel) -> None:
    found = choice(port, "/v1/completions", {"prompt": "def ", **GREEDY, "model": "any"})
    assert found["text"] == "".join(model.complete("def ", Sampling(8)))


def test_a_suffix_asks_for_what_is_before_it(port: int, model: LanguageModel) -> None:
    body = {"prompt": "def ", "suffix": "return", **GREEDY}
    written = "".join(model.complete("def ", Sampling(8), "return"))
    assert choice(port, "/v1/completions", body)["text"] == written


def test_an_answer_is_what_chat_writes(port: int, model: LanguageModel) -> None:
    found = choice(port, "/v1/chat/completions", {"messages": MESSAGES, **GREEDY})
    answer = "".join(model.answer(MESSAGES, Sampling(8)))
    assert found["message"] == {"role": "assistant", "content": answer, "refusal": None}


def test_the_pieces_of_a_stream_are_the_whole(port: int) -> None:
    text = choice(port, "/v1/completions", {"prompt": "x", **GREEDY})["text"]
    found = events(port, "/v1/completions", {"prompt": "x", **GREEDY})
    assert "".join(event["text"] for event in found) == text
    assert [event["finish_reason"] for event in found] == [None] * (len(found) - 1) + ["length"]
    whole = choice(port, "/v1/chat/completions", {"messages": MESSAGES, **GREEDY})
    pieces = events(port, "/v1/chat/completions", {"messages": MESSAGES, **GREEDY})
    said = "".join(event["delta"].get("content", "") for event in pieces)
    assert said == whole["message"]["content"]


def test_a_seed_gives_the_same_text_again_and_another_another(port: int) -> None:
    def text(seed: int) -> str:
        found = choice(port, "/v1/completions", {"prompt": "x", "max_tokens": 9, "seed": seed})
        assert isinstance(found["text"], str)
        return found["text"]

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) > 1


def test_a_text_that_the_model_ends_itself_says_so(port: int) -> None:
    def finish(limit: int, seed: int) -> str:
        body = {"prompt": "x", "max_tokens": limit, "temperature": 2, "seed": seed}
        return str(choice(port, "/v1/completions", body)["finish_reason"])

    assert finish(1, 0) == "length"
    assert "stop" in {finish(200, seed) for seed in range(9)}


def test_the_one_model_is_listed(port: int) -> None:
    _, _, answer = ask(port, "/v1/models")
    assert [model["id"] for model in json.loads(answer)["data"]] == ["models/lm"]


TEXTS, CHAT, INFILL = "/v1/completions", "/v1/chat/completions", "/infill"


@pytest.mark.parametrize(
    ("path", "body", "param", "message"),
    [
        (TEXTS, [], None, "not a JSON object"),
        (TEXTS, b"{", None, "not JSON"),
        (TEXTS, b"\xff\xfe", None, "not JSON"),
        (TEXTS, b"[" * 100_000, None, "nested too deeply"),
        (TEXTS, b'{"prompt": NaN}', None, "NaN is not a number"),
        (TEXTS, {"prompt": 5.5}, "prompt", "expected a string, or a list"),
        (TEXTS, {"prompt": [["a"]]}, "prompt", "expected a string, or a list"),
        (TEXTS, {"prompt": [10**9]}, "prompt", "expected a string, or a list"),
        (TEXTS, {"prompt": [-1]}, "prompt", "expected a string, or a list"),
        (TEXTS, {"prompt": ["a"] * 65}, "prompt", "at most 64"),
        (TEXTS, {"suffix": 1}, "suffix", "expected a string"),
        (TEXTS, {"temperature": "hot"}, "temperature", 'is "hot", expected a number'),
        (TEXTS, {"temperature": True}, "temperature", "is true, expected a number"),
        (TEXTS, {"temperature": 1e999}, None, "Infinity is not a number"),
        (TEXTS, {"top_p": 1.5}, "top_p", "from 0 to 1"),
        (TEXTS, {"max_tokens": 1.5}, "max_tokens", "expected a whole number"),
        (TEXTS, {"max_tokens": 10**400}, "max_tokens", "from -1 to"),
        (TEXTS, {"max_completion_tokens": -2}, "max_completion_tokens", "from -1 to"),
        (TEXTS, {"n": 0}, "n", "from 1 to 16"),
        (TEXTS, {"n": 2, "best_of": 3}, "best_of", "when it equals 'n'"),
        (TEXTS, {"stop": 5}, "stop", "a string or a list of strings"),
        (TEXTS, {"stop": ["a"] * 17}, "stop", "at most 16"),
        (TEXTS, {"presence_penalty": 3}, "presence_penalty", "from -2 to 2"),
        (TEXTS, {"frequency_penalty": "x"}, "frequency_penalty", "a number"),
        (TEXTS, {"logit_bias": {"x": 1}}, "logit_bias", "not the id of a token"),
        (TEXTS, {"logit_bias": {"300": 1}}, "logit_bias", "go from 0 to 299"),
        (TEXTS, {"logit_bias": {"9": "x"}}, "logit_bias.9", "a number"),
        (TEXTS, {"logit_bias": [[1, 2]]}, "logit_bias", "an object"),
        (TEXTS, {"logprobs": 21}, "logprobs", "from 0 to 20"),
        (TEXTS, {"echo": True, "logprobs": 1}, "echo", "together with 'logprobs'"),
        (TEXTS, {"stream": "yes"}, "stream", "true or false"),
        (TEXTS, {"stream_options": 1}, "stream_options", "an object"),
        (TEXTS, {"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "true"),
        (TEXTS, {"response_format": {"type": "json_object"}}, "response_format", "not supported"),
        (CHAT, {"prompt": "a"}, "messages", "'messages' is missing"),
        (CHAT, {"messages": ["a"]}, "messages[0]", "not an object"),
        (CHAT, {"messages": "a"}, "messages", "a list"),
        (CHAT, {"messages": [{"role": "tool"}]}, "messages[0].role", "one of system, user"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content", "expected a string"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content[0].type", "expected"),
        (CHAT, {"messages": MESSAGES, "tools": [{}]}, "tools", "not supported"),
        (CHAT, {"messages": MESSAGES, "top_logprobs": 2}, "top_logprobs", "needs 'logprobs'"),
        (INFILL, {"input_prefix": 1}, "input_prefix", "expected a string"),
        (INFILL, {"input_extra": [{"text": 1}]}, "input_extra[0].text", "expected a string"),
        (INFILL, {"n_indent": -1}, "n_indent", "from 0 to"),
        (INFILL, {"grammar": "root"}, "grammar", "not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_names_the_field(
    port: int, path: str, body: Any, param: str | None, message: str
) -> None:
    status, _, answer = ask(port, path, body)
    error = json.loads(answer)["error"]
    assert (status, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]


@pytest.mark.parametrize(
    "prompt", [b'"\\ud800"', b'"\\udc00x"', b'"\\u0000"', b'"a\\r\\n"', b"null"]
)
def test_a_prompt_of_odd_characters_is_answered(port: int, prompt: bytes) -> None:
    status, _, answer = ask(port, TEXTS, b'{"max_tokens": 4, "prompt": ' + prompt + b"}")
    assert status == 200
    assert 0 <= json.loads(answer)["usage"]["completion_tokens"] <= 4


def test_null_fields_are_as_if_they_were_not_there(port: int) -> None:
    names = ("suffix", "temperature", "top_p", "stop", "n", "logprobs", "stream", "logit_bias",
             "presence_penalty", "stream_options", "seed", "user", "echo", "best_of")  # fmt: skip
    body = {"prompt": "x", **GREEDY}
    nulls = dict.fromkeys(names)
    assert choice(port, TEXTS, {**nulls, **body}) == choice(port, TEXTS, body)


def test_several_prompts_and_choices_are_in_order(port: int) -> None:
    one, two = (choice(port, TEXTS, {"prompt": text, **GREEDY})["text"] for text in ("x", "def "))
    _, _, answer = ask(port, TEXTS, {"prompt": ["x", "def "], "n": 2, **GREEDY})
    found = json.loads(answer)
    assert [each["text"] for each in found["choices"]] == [one, one, two, two]
    assert [each["index"] for each in found["choices"]] == [0, 1, 2, 3]
    assert found["usage"]["completion_tokens"] == 32
    seeds = json.loads(ask(port, TEXTS, {"prompt": "x", "n": 4, "max_tokens": 9})[2])["choices"]
    assert len({each["text"] for each in seeds}) > 1


def test_ids_in_place_of_a_prompt_are_its_text(port: int, model: LanguageModel) -> None:
    text = choice(port, TEXTS, {"prompt": "def f", **GREEDY})["text"]
    ids = model.tokenizer.encode("def f").ids
    for prompt in (ids, [ids]):
        assert choice(port, TEXTS, {"prompt": prompt, **GREEDY})["text"] == text
    assert choice(port, TEXTS, {"prompt": [END_OF_TEXT_ID, *ids], **GREEDY})["text"] == text
    nothing = choice(port, TEXTS, {"prompt": "", **GREEDY})["text"]
    no_text: list[Any] = [[END_OF_TEXT_ID], [], [[]]]
    for empty in no_text:
        assert choice(port, TEXTS, {"prompt": empty, **GREEDY})["text"] == nothing


def test_ids_with_the_marks_of_fill_in_the_middle_are_filled_in(
    port: int, model: LanguageModel
) -> None:
    def ids(text: str) -> list[int]:
        return list(model.tokenizer.encode(text).ids)

    body = {"prompt": "def f", "suffix": "return", **GREEDY}
    text = choice(port, TEXTS, body)["text"]
    for prompt in (
        [END_OF_TEXT_ID, PREFIX_ID, SUFFIX_ID, *ids("return"), MIDDLE_ID, *ids("def f")],
        [PREFIX_ID, *ids("def f"), SUFFIX_ID, *ids("return"), MIDDLE_ID],
    ):
        assert choice(port, TEXTS, {"prompt": prompt, **GREEDY})["text"] == text
    for prompt in ([*ids("x"), END_OF_TEXT_ID], [PREFIX_ID, *ids("x")]):
        status, _, answer = ask(port, TEXTS, {"prompt": prompt, **GREEDY})
        assert status == 400 and json.loads(answer)["error"]["param"] == "prompt"


def test_what_is_wrong_is_told_though_it_is_no_character(port: int) -> None:
    for field in (b'"temperature": "\\ud800"', b'"logit_bias": {"\\ud800": 1}'):
        status, _, answer = ask(port, TEXTS, b'{"prompt": "x", ' + field + b"}")
        assert status == 400, answer


def test_a_prompt_that_several_texts_continue_is_cached_once(port: int) -> None:
    body = {"prompt": "# never read before: 4711\n" * 3, "n": 4, **GREEDY}
    usage = json.loads(ask(port, TEXTS, body)[2])["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"] // 2


def test_a_stop_string_ends_the_text_before_it(port: int) -> None:
    whole = choice(port, TEXTS, {"prompt": "x", "max_tokens": 20, "temperature": 0})["text"]
    stop = whole[5:8]
    body = {"prompt": "x", "max_tokens": 20, "temperature": 0, "stop": stop}
    found = choice(port, TEXTS, body)
    assert (found["text"], found["finish_reason"]) == (whole[: whole.index(stop)], "stop")
    pieces = events(port, TEXTS, {**body, "stop": ["never there", stop]})
    assert "".join(event["text"] for event in pieces) == found["text"]


def test_an_echo_begins_with_the_prompt(port: int) -> None:
    text = choice(port, TEXTS, {"prompt": "x", **GREEDY})["text"]
    assert choice(port, TEXTS, {"prompt": "x", "echo": True, **GREEDY})["text"] == "x" + text


def test_the_usage_of_a_stream_comes_where_it_is_asked_for(port: int) -> None:
    body = {"prompt": "x", **GREEDY, "stream": True, "stream_options": {"include_usage": True}}
    *_, last, done, _ = ask(port, TEXTS, body)[2].decode().split("\n\n")
    usage = json.loads(last.removeprefix("data: "))
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 8)
    assert done == "data: [DONE]"


def biases(model: LanguageModel, **values: float) -> dict[str, float]:
    """The biases of letters by the ids of their tokens."""
    return {str(model.tokenizer.encode(letter).ids[0]): value for letter, value in values.items()}


def test_a_bias_keeps_a_token_out_and_brings_one_in(port: int, model: LanguageModel) -> None:
    body = {"prompt": "x\n", **GREEDY}
    assert (
        choice(port, TEXTS, {**body, "logit_bias": biases(model, Q=100, R=50)})["text"] == "Q" * 8
    )
    assert (
        choice(port, TEXTS, {**body, "logit_bias": biases(model, Q=-100, R=50)})["text"] == "R" * 8
    )


@pytest.mark.parametrize("name", ["presence_penalty", "frequency_penalty"])
def test_a_penalty_makes_repeated_tokens_rarer(port: int, model: LanguageModel, name: str) -> None:
    letters = biases(model, **dict.fromkeys("ABCDEFGHIJKLMNOPQRST", 50.0))
    body = {"prompt": "x\n", "max_tokens": 40, "temperature": 0, "logit_bias": letters}
    assert len(set(choice(port, TEXTS, body)["text"])) < len(
        set(choice(port, TEXTS, {**body, name: 2})["text"])
    )


def test_the_probabilities_are_those_of_the_tokens(port: int) -> None:
    found = choice(port, TEXTS, {"prompt": "x\n", **GREEDY, "logprobs": 2})
    table = found["logprobs"]
    assert len(table["tokens"]) == len(table["token_logprobs"]) == 8
    for chance, top in zip(table["token_logprobs"], table["top_logprobs"], strict=True):
        assert chance == pytest.approx(max(top.values()))
    body = {"messages": MESSAGES, **GREEDY, "logprobs": True, "top_logprobs": 3}
    content = choice(port, CHAT, body)["logprobs"]["content"]
    assert len(content) == 8
    assert all(entry["logprob"] == entry["top_logprobs"][0]["logprob"] for entry in content)
    pieces = events(port, CHAT, body)
    streamed = [entry for event in pieces for entry in (event["logprobs"] or {}).get("content", [])]
    chances = [[entry["logprob"] for entry in entries] for entries in (streamed, content)]
    assert chances[0] == pytest.approx(chances[1], abs=1e-4)
    assert [entry["token"] for entry in streamed] == [entry["token"] for entry in content]


def test_log_probabilities_without_alternatives_are_those_of_the_tokens(port: int) -> None:
    body = {"prompt": "x\n", **GREEDY}
    table = choice(port, TEXTS, {**body, "logprobs": 0})["logprobs"]
    assert table["top_logprobs"] == [{}] * 8
    assert (
        table["token_logprobs"]
        == choice(port, TEXTS, {**body, "logprobs": 2})["logprobs"]["token_logprobs"]
    )


@pytest.mark.parametrize("streamed", [False, True])
def test_the_places_of_tokens_are_those_in_the_text(port: int, streamed: bool) -> None:
    body = {"prompt": "impor", **GREEDY, "logprobs": 1}
    if streamed:
        tables = [event["logprobs"] for event in events(port, TEXTS, body) if event["logprobs"]]
    else:
        tables = [choice(port, TEXTS, body)["logprobs"]]
    offsets = [offset for table in tables for offset in table["text_offset"]]
    tokens = [token for table in tables for token in table["tokens"]]
    assert offsets[0] == 0 and offsets == sorted(offsets)
    text = choice(port, TEXTS, body)["text"]
    for offset, token in list(zip(offsets, tokens, strict=True))[1:]:
        assert "\ufffd" in token or text[offset:].startswith(token)


def test_the_likelier_of_two_alternatives_that_look_alike_is_shown() -> None:
    vocabulary = [b"\xc5", b"\xc4", b"a"]
    steps = [Step(0, torch.tensor([3.0, 1.0, 2.0]))]
    table = _table(steps, vocabulary, 3, Offsets())
    assert table["top_logprobs"][0]["\ufffd"] == table["token_logprobs"][0]
    assert list(table["top_logprobs"][0]) == ["\ufffd", "a"]


@pytest.mark.parametrize("key", ["", "GİZLİ", "a\nb"])
def test_a_key_that_a_client_can_not_send_is_refused(model: LanguageModel, key: str) -> None:
    with (
        pytest.raises(UserError, match=r"--api-key is .* expected letters, digits and signs"),
        open_server(model, options(), api_key=key),
    ):
        pass


def test_the_developers_message_is_the_systems(port: int) -> None:
    one, two = (
        choice(port, CHAT, {"messages": [{"role": role, "content": "a"}, *MESSAGES], **GREEDY})
        for role in ("system", "developer")
    )
    assert one == two


def answer_to(port: int, *headers: str, body: bytes = b"", timeout: float = 10) -> bytes:
    """All that the server sends for a POST with just these headers, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        with suppress(ConnectionResetError):  # after the answer, if not all was read
            while piece := connection.recv(1 << 16):
                answer += piece
        return answer


@pytest.mark.parametrize(
    ("length", "status"),
    [("abc", 400), ("-1", 400), ("+5", 400), ("1e3", 400), ("0x10", 400), ("", 400),
     ("8388609", 413), ("9" * 18, 413), ("9" * 5000, 400), (None, 400), ("0", 400)],
)  # fmt: skip
def test_a_length_that_is_not_one_is_refused_at_once(
    port: int, length: str | None, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = [] if length is None else [f"Content-Length: {length}"]
    answer = answer_to(port, "Content-Type: application/json", "Connection: close", *sent)
    assert answer.split(b" ", 2)[1] == str(status).encode()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_body_in_chunks_is_read(port: int) -> None:
    body = json.dumps({"prompt": "x", **GREEDY}).encode()
    chunks = b"%x\r\n%b\r\n5\r\n     \r\n0\r\n\r\n" % (len(body), body)
    answer = answer_to(
        port, "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close",
        body=chunks,
    )  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_in_endless_chunks_is_refused(port: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b" " * (1 << 20))
    answer = answer_to(
        port, "Content-Type: application/json", "Transfer-Encoding: chunked", body=chunk * 9
    )
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_headers_without_an_end_are_refused(port: int) -> None:
    padding = [f"X-{number}: {'x' * 1000}" for number in range(60)]
    endless = [f"{line}\r\n" for line in padding] * 20
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        with suppress(ConnectionError):  # it has closed while these were still coming
            connection.sendall(f"POST /infill HTTP/1.1\r\n{''.join(endless)}".encode())
        with suppress(ConnectionError):
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 400 ")
    many = ("Content-Type: application/json", "Connection: close", "Content-Length: 2", *padding)
    assert b"longer" not in answer_to(port, *many, body=b"{}")


def test_a_client_that_falls_silent_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tohum.commands.serve.app.SILENCE_SECONDS", 0.2)
    headers = ("Content-Type: application/json", "Content-Length: 50", "Connection: close")
    assert answer_to(port, *headers, body=b"{").startswith(b"HTTP/1.1 408 ")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("size", [1 << 20, 5 << 20])
def test_a_prompt_of_megabytes_is_answered(port: int, size: int) -> None:
    for path, name in ((TEXTS, "prompt"), (INFILL, "input_prefix"), (INFILL, "input_suffix")):
        status, _, answer = ask(port, path, {name: "x = 1\n" * (size // 6), "max_tokens": 4})
        assert status == 200, answer


def test_a_client_that_does_not_read_keeps_no_other_waiting(port: int) -> None:
    body = json.dumps({"prompt": "x", "max_tokens": 100_000, "stream": True}).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", port)) as paused:
        paused.sendall(head + body)
        paused.recv(100)
        assert len(choice(port, TEXTS, {"prompt": "y", **GREEDY})["text"])


def test_clients_that_leave_are_not_written_for(model: LanguageModel) -> None:
    with serving(model) as port:
        body = json.dumps({"prompt": "x", "max_tokens": 1_000_000}).encode()
        head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as gone:
                gone.sendall(head + body)
        assert len(choice(port, TEXTS, {"prompt": "y", **GREEDY})["text"])


def test_a_hundred_at_once_are_answered_alike(port: int) -> None:
    expected = choice(port, TEXTS, {"prompt": "x", **GREEDY})["text"]
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(choice, port, TEXTS, {"prompt": "x", **GREEDY}) for _ in range(100)]
        assert {each.result()["text"] for each in asked} == {expected}


def test_connections_are_kept(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(3):
        connection.request("GET", "/health?now=1")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"status": "ok"})
        assert not answer.will_close
    connection.close()


def test_with_a_key_only_who_has_it_may_ask(model: LanguageModel) -> None:
    with serving(model, api_key="sesame") as port:
        assert ask(port, "/health")[0] == 200
        assert ask(port, "/v1/models")[0] == 401
        assert ask(port, "/v1/models", headers={"Authorization": "Bearer wrong"})[0] == 401
        given = {"Authorization": "Bearer sesame", "Host": "lab.example:8012"}
        assert ask(port, "/v1/models", headers=given)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])
def test_other_machines_need_a_key(model: LanguageModel, host: str) -> None:
    with pytest.raises(UserError, match="--api-key"), open_server(model, options(), host):
        pass


def test_an_unknown_path_is_told(port: int) -> None:
    assert ask(port, "/v2")[0] == ask(port, "/v2", {})[0] == 404


def test_a_page_of_the_web_cannot_use_the_model(port: int) -> None:
    body = {"prompt": "x", **GREEDY}
    assert ask(port, "/v1/completions", body, {"Content-Type": "text/plain"})[0] == 400
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "evil.example:80"})[0] == 403
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "localhost:8000"})[0] == 200


def test_a_port_that_is_taken_is_told(model: LanguageModel, port: int) -> None:
    refused = pytest.raises(UserError, match=rf"port {port} can't be used .* port=0")
    with refused, open_server(model, options(port=port)):
        pass


def test_the_parts_of_a_content_are_one_text(port: int) -> None:
    parts = [{"type": "text", "text": "de"}, {"type": "text", "text": "f "}]
    messages = [{"role": "user", "content": parts}]
    assert choice(port, CHAT, {"messages": messages, **GREEDY}) == choice(
        port, CHAT, {"messages": MESSAGES, **GREEDY}
    )


def test_the_model_is_there_by_its_name(port: int) -> None:
    assert json.loads(ask(port, "/v1/models/models/lm")[2])["id"] == "models/lm"
    assert ask(port, "/v1/models/gpt-5")[0] == 404


def test_openais_own_client_gets_along(port: int) -> None:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any") as client:
        whole = client.completions.create(
            model="any", prompt="x", max_tokens=8, temperature=0, logprobs=2, stop=["\x00"]
        )
        with client.completions.create(
            model="any", prompt="x", max_tokens=8, temperature=0, stream=True,
            stream_options={"include_usage": True},
        ) as stream:  # fmt: skip
            events = list(stream)
        assert "".join(each.choices[0].text for each in events[:-1]) == whole.choices[0].text
        assert events[-1].usage == whole.usage
        said = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "def "}], max_tokens=8, temperature=0
        )
        with client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "def "}], max_tokens=8,
            temperature=0, stream=True,
        ) as chunks:  # fmt: skip
            pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(pieces) == said.choices[0].message.content
        assert client.models.retrieve("models/lm").id == "models/lm"
        with pytest.raises(openai.BadRequestError, match="expected a number"):
            client.completions.create(model="any", prompt="x", temperature=-5)
