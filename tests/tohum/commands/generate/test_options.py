from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import PROJECT
from tohum.commands.generate.options import read_options
from tohum.errors import UserError


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def test_without_arguments_the_file_holds() -> None:
    values = yaml.safe_load(Path("conf/generate.yaml").read_text(encoding="utf-8"))
    assert asdict(read_options("generate", [])) == values


@pytest.mark.parametrize(
    "prompt",
    [
        "x = y == z",
        "${x}",
        "${oc.env:HOME}",
        "[1, 2, {'a': 3}]",
        "f(a, b)",
        "def ",
        "  trailing  \n",
        "'quoted' \"twice\"",
        "???",
        "null",
        "1e3",
        "",
        "é中\U0001f600",
    ],
)
def test_a_prompt_is_taken_as_it_stands(prompt: str) -> None:
    assert read_options("generate", [f"prompt={prompt}"]).prompt == prompt
    assert read_options("generate", [f"suffix={prompt}"]).suffix == prompt


@given(st.text())
def test_any_prompt_is_taken_as_it_stands(prompt: str) -> None:
    assert read_options("generate", [f"prompt={prompt}"]).prompt == prompt


def test_arguments_replace_what_the_file_says() -> None:
    options = read_options(
        "generate", ["max_new_tokens=7", "temperature=0", "top_k=0", "top_p=1", "seed=5"]
    )
    assert options == replace(
        read_options("generate", []), max_new_tokens=7, temperature=0.0, top_k=0, top_p=1.0, seed=5
    )


def test_the_last_of_two_values_holds() -> None:
    assert read_options("generate", ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize("argument", ["def ", "seed", ""])
def test_an_argument_without_a_key_is_refused(argument: str) -> None:
    with pytest.raises(UserError, match=rf"'{argument}' is not key=value\. Write, for example"):
        read_options("generate", [argument])


def test_a_key_of_another_command_is_refused() -> None:
    with pytest.raises(UserError, match=r"'prompt' has no meaning for `tohum serve`: leave it out"):
        read_options("serve", ["prompt=x"], not_used=("prompt",))


def test_two_modes_at_once_are_refused() -> None:
    with pytest.raises(UserError, match=r"chat=true and suffix=\.\.\. are two modes"):
        read_options("generate", ["chat=true", "suffix="])


def test_an_unknown_key_is_refused_with_the_one_meant() -> None:
    message = r"unknown key 'generate\.temprature'\. Did you mean 'temperature'\?"
    with pytest.raises(UserError, match=message):
        read_options("generate", ["temprature=1"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("max_new_tokens=many", r"generate\.max_new_tokens is 'many', expected a whole number"),
        ("max_new_tokens=0", r"generate\.max_new_tokens is 0, expected at least 1"),
        ("temperature=-1", r"generate\.temperature is -1\.0, expected at least 0"),
        ("temperature=nan", r"generate\.temperature is nan, expected at least 0"),
        ("temperature=inf", r"generate\.temperature is inf, expected at most 100"),
        ("top_p=0", r"generate\.top_p is 0\.0, expected at least 1e-06"),
        ("top_p=1.5", r"generate\.top_p is 1\.5, expected at most 1"),
        ("seed=1.5", r"generate\.seed is '1\.5', expected a whole number"),
        ("seed=", r"generate\.seed is '', expected a whole number"),
        ("temperature=${x}", r"generate\.temperature is '\$\{x\}', expected a number"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(argument: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_options("generate", [argument])
