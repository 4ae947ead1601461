from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tohum.commands.show import PICTURES, SHOW_FILE
from tohum.commands.show.config import Show
from tohum.commands.show.view_options import read_view
from tohum.errors import UserError


def view(*arguments: str) -> tuple[str, Show]:
    return read_view(list(arguments), PROJECT / SHOW_FILE)


def test_without_keys_the_file_holds() -> None:
    values = yaml.safe_load((PROJECT / SHOW_FILE).read_text("utf-8"))
    assert asdict(view("curves")[1]) == values


@pytest.mark.parametrize("text", ["a b", "x == y", "${x}", "size=1", "null", "???", "ğ", "123"])
def test_a_text_is_taken_as_it_stands_with_or_without_its_key(text: str) -> None:
    assert view("tokens", text)[1].text == text
    assert view("tokens", f"text={text}")[1].text == text


def test_a_text_that_looks_like_a_key_has_to_name_its_own() -> None:
    assert view("tokens", "text=svg=a")[1].text == "svg=a"
    assert view("tokens", "a", "svg=${b}.svg")[1].svg == "${b}.svg"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "which picture"),
        (("tokn",), "Did you mean 'tokens'"),
        (("tokens", "def", "f"), r'two texts.*quotes.*tohum show tokens "def f"'),
        (("tokens", "a", "layer=1"), "'layer' has no meaning for `tohum show tokens`"),
        (("curves", "a"), "takes no text"),
        (("next", "a", "count=0"), "show.count is 0, expected at least 1"),
        (("next", "a", "temperature=hot"), "show.temperature is 'hot', expected a number"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        view(*arguments)


@pytest.mark.parametrize("picture", sorted(set(PICTURES) - {"curves", "merges"}))
def test_a_picture_of_a_text_asks_for_one(picture: str) -> None:
    with pytest.raises(UserError, match=f"`tohum show {picture}` needs a text"):
        view(picture)[1].wanted_text(picture)


def test_every_picture_has_its_module() -> None:
    folder = PROJECT / Path("tohum/commands/show")
    assert all((folder / f"{module}.py").is_file() for module in PICTURES.values())
