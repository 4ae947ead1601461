import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.tohum.trained import write_language_model
from tohum.commands.generate.config import Generate
from tohum.commands.serve.request import read_request
from tohum.commands.serve.server import open_server
from tohum.decoding import Sampling
from tohum.errors import UserError
from tohum.inference import LanguageModel, load_language_model

JSON = {"Content-Type": "application/json"}
GREEDY = {"max_tokens": 8, "temperature": 0}
MESSAGES = [{"role": "user", "content": "def "}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_language_model(write_language_model(tmp_path_factory.mktemp("server") / "lm"))


def options(port: int = 0) -> Generate:
    return Generate("def ", None, False, port, 12, 1.0, 0, 1.0, 0)


@pytest.fixture(scope="module")
def port(model: LanguageModel) -> Iterator[int]:
    with open_server(model, options()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(
    port: int, path: str, body: Any = None, headers: dict[str, str] = JSON
) -> tuple[int, str, bytes]:
    """The status, the type and the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = None if body is None else json.dumps(body)
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
    assert found["message"] == {"role": "assistant", "content": answer}


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


def test_the_page_needs_nothing_from_elsewhere(port: int) -> None:
    status, kind, page = ask(port, "/")
    assert (status, kind) == (200, "text/html")
    assert b"/v1/completions" in page
    assert b"http" not in page


def test_the_one_model_is_listed(port: int) -> None:
    _, _, answer = ask(port, "/v1/models")
    assert [model["id"] for model in json.loads(answer)["data"]] == ["models/lm"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/completions", [], "not a JSON object"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "'prompt' is .* expected a string"),
        ("/v1/completions", {"prompt": "a", "temperature": -1}, "temperature is -1.0, expected"),
        ("/v1/completions", {"prompt": "a", "max_tokens": "many"}, "expected a whole number"),
        ("/v1/completions", {"prompt": "a", "n": 2}, "ask several times"),
        ("/v1/completions", {"prompt": "a", "stop": ["b"]}, "'stop' is not supported"),
        ("/v1/chat/completions", {"prompt": "a"}, "'messages' is missing"),
        ("/v1/chat/completions", {"messages": [{"role": "tool"}]}, "not one of system, user"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, "not a string"),
    ],
)
def test_what_cannot_be_done_is_refused_in_plain_words(
    port: int, path: str, body: Any, message: str
) -> None:
    status, _, answer = ask(port, path, body)
    assert status == 400
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(json.loads(answer)["error"]["message"])


def answer_to(port: int, *headers: str, body: bytes = b"", timeout: float = 10) -> bytes:
    """All that the server sends for a POST with just these headers, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("length", "status"),
    [("abc", 400), ("-1", 400), ("+5", 400), ("1e3", 400), ("²", 400), ("0x10", 400), ("", 400),
     ("1048577", 413), ("9" * 5000, 413), (None, 411)],
)  # fmt: skip
def test_a_length_that_is_not_one_is_refused_at_once(
    port: int, length: str | None, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = [] if length is None else [f"Content-Length: {length}"]
    answer = answer_to(port, "Content-Type: application/json", *sent)
    assert answer.split(b" ", 2)[1] == str(status).encode()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_body_of_no_bytes_is_refused(port: int) -> None:
    answer = answer_to(port, "Content-Type: application/json", "Content-Length: 0")
    assert b" 400 " in answer.partition(b"\r\n")[0]


def test_a_client_that_falls_silent_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tohum.commands.serve.server._Handler.timeout", 0.2)
    headers = ("Content-Type: application/json", "Content-Length: 50")
    assert answer_to(port, *headers, body=b"{") == b""
    assert "Traceback" not in capfd.readouterr().err


def test_an_unknown_path_is_told(port: int) -> None:
    assert ask(port, "/v2")[0] == ask(port, "/v2", {})[0] == 404


def test_a_page_of_the_web_cannot_use_the_model(port: int) -> None:
    body = {"prompt": "x", **GREEDY}
    assert ask(port, "/v1/completions", body, {"Content-Type": "text/plain"})[0] == 400
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "evil.example:80"})[0] == 403
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "localhost:8000"})[0] == 200


def test_a_port_that_is_taken_is_told(model: LanguageModel, port: int) -> None:
    with pytest.raises(UserError, match=rf"port {port} can't be used .* port=0"):
        open_server(model, options(port=port))


def test_the_parts_of_a_content_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()
    assert read_request(body, True, options()).messages == [{"role": "user", "content": "ab"}]
