"""The page's files and facts, without a browser."""

import http.client
import json
from collections.abc import Sequence

import pytest
import torch

from tests.tohum.commands.serve.test_server import ask, model, port, serving
from tohum.commands.serve.page_files import FOLDER, TYPES, ends_answer
from tohum.formats.special_tokens import END_ID
from tohum.inference import LanguageModel

__all__ = ["model", "port"]  # fixtures

FILES = sorted(path.name for path in FOLDER.iterdir())


def headers(port: int, path: str) -> tuple[int, "http.client.HTTPMessage"]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.headers


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES)])
def test_each_file_has_its_type_and_a_policy_that_lets_nothing_else_in(
    port: int, path: str
) -> None:
    status, found = headers(port, path)
    suffix = "." + path.rpartition(".")[2] if path != "/" else ".html"
    assert (status, found.get_content_type()) == (200, TYPES[suffix])
    policy = dict(rule.split(" ", 1) for rule in found["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert found["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/page/", "/page/no.js", "/page/../app.py", "/page/..%2Fapp.py", "/page/%2e%2e/app.py",
             "/page/C:%5Cx.js", "/page/.js"],
)  # fmt: skip
def test_nothing_but_the_files_of_the_page_is_given(port: int, path: str) -> None:
    assert headers(port, path)[0] == 404


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".svg")])
def test_no_file_of_the_page_names_another_place(name: str) -> None:
    text = (FOLDER / name).read_text("utf-8")
    assert "http" not in text
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text


def test_with_a_key_the_page_is_open_and_its_facts_are_not(model: LanguageModel) -> None:
    with serving(model, api_key="sesame") as port:
        assert ask(port, "/")[0] == ask(port, "/page/page.js")[0] == 200
        assert ask(port, "/page/facts")[0] == 401
        assert ask(port, "/page/conversations")[0] == 401
        assert ask(port, "/page/facts", headers={"Authorization": "Bearer sesame"})[0] == 200


def test_the_page_knows_the_context_and_the_defaults(port: int) -> None:
    found = json.loads(ask(port, "/page/facts")[2])
    assert found["context"] == 32
    settings = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 12, "seed": 0}
    assert found["settings"] == settings


class Parrot:
    """A `Reader` that repeats one token, and expects <|end|> with a probability once it has read so
    many ids.
    """

    context = 32

    def __init__(self, chance: float, after: int) -> None:
        self.chance, self.after = chance, after

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        chances = torch.zeros(300)
        chances[END_ID] = self.chance if len(ids) >= self.after else 0
        chances[299] = 1 - chances[END_ID]
        return chances.log()


def test_who_expects_the_end_of_an_answer_has_seen_conversations() -> None:
    question = [0, 6, 99, 8, 7]
    assert ends_answer(Parrot(0.02, after=20), question)
    assert ends_answer(Parrot(1, after=5), question)
    assert not ends_answer(Parrot(0.001, after=0), question)
    assert not ends_answer(Parrot(1, after=33), question), "there is no room for more"
