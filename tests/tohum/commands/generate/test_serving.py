import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stages.evaluate.export import transformers_model
from tests.tiny import model_and_train, write_tiny_tokenizer
from tests.tohum.commands.generate.test_completion import options
from tohum.commands.generate.completion import Writer, load_model
from tohum.commands.generate.requests import read_request
from tohum.commands.generate.serving import open_server
from tohum.errors import UserError
from tohum.model.determinism import set_determinism

JSON = {"Content-Type": "application/json"}
GREEDY = {"max_tokens": 8, "temperature": 0}
MESSAGES = [{"role": "user", "content": "def "}]


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    folder = tmp_path_factory.mktemp("serving") / "lm"
    write_tiny_tokenizer(folder)
    config, run = model_and_train("model.context_length=32", "model.initializer_range=0.3")
    set_determinism(run.seed, run.threads)
    transformers_model(config, vocab_size=300).save_pretrained(folder)
    return load_model(folder)


@pytest.fixture(scope="module")
def port(writer: Writer) -> Iterator[int]:
    with open_server(writer, options(port=0)) as server:
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


def test_a_completion_is_what_generate_writes(port: int, writer: Writer) -> None:
    asked = options("def ", max_new_tokens=8, temperature=0)
    found = choice(port, "/v1/completions", {"prompt": "def ", **GREEDY, "model": "any"})
    assert found["text"] == "".join(writer.text(asked))


def test_a_suffix_asks_for_what_is_before_it(port: int, writer: Writer) -> None:
    asked = options("def ", suffix="return", max_new_tokens=8, temperature=0)
    body = {"prompt": "def ", "suffix": "return", **GREEDY}
    assert choice(port, "/v1/completions", body)["text"] == "".join(writer.text(asked))


def test_an_answer_is_what_chat_writes(port: int, writer: Writer) -> None:
    asked = options(max_new_tokens=8, temperature=0)
    found = choice(port, "/v1/chat/completions", {"messages": MESSAGES, **GREEDY})
    answer = "".join(writer.answer(MESSAGES, asked))
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
        ("/v1/completions", [], "no JSON object"),
        ("/v1/completions", {"prompt": ["a", "b"]}, "'prompt' is .* expected a string"),
        ("/v1/completions", {"prompt": "a", "temperature": -1}, "temperature is -1.0, expected"),
        ("/v1/completions", {"prompt": "a", "max_tokens": "many"}, "expected a whole number"),
        ("/v1/completions", {"prompt": "a", "n": 2}, "ask several times"),
        ("/v1/completions", {"prompt": "a", "stop": ["b"]}, "'stop' is not supported"),
        ("/v1/chat/completions", {"prompt": "a"}, "'messages' is missing"),
        ("/v1/chat/completions", {"messages": [{"role": "tool"}]}, "none of system, user"),
        ("/v1/chat/completions", {"messages": [{"role": "user"}]}, "no string"),
    ],
)
def test_what_cannot_be_done_is_refused_in_plain_words(
    port: int, path: str, body: Any, message: str
) -> None:
    status, _, answer = ask(port, path, body)
    assert status == 400
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(json.loads(answer)["error"]["message"])


def test_an_unknown_path_is_told(port: int) -> None:
    assert ask(port, "/v2")[0] == ask(port, "/v2", {})[0] == 404


def test_a_page_of_the_web_cannot_use_the_model(port: int) -> None:
    body = {"prompt": "x", **GREEDY}
    assert ask(port, "/v1/completions", body, {"Content-Type": "text/plain"})[0] == 400
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "evil.example:80"})[0] == 403
    assert ask(port, "/v1/completions", body, {**JSON, "Host": "localhost:8000"})[0] == 200


def test_a_port_that_is_taken_is_told(writer: Writer, port: int) -> None:
    with pytest.raises(UserError, match=rf"port {port} can't be had .* port=0"):
        open_server(writer, options(port=port))


def test_the_parts_of_a_content_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = json.dumps({"messages": [{"role": "user", "content": parts}]}).encode()
    assert read_request(body, True, options()).messages == [{"role": "user", "content": "ab"}]
