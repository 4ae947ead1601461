"""The command line of show: a picture, its text, and key=value on top of conf/show.yaml."""

from dataclasses import fields
from pathlib import Path

import yaml

from tohum.commands.show import PICTURES
from tohum.commands.show.config import Show
from tohum.config.sections import nearest, read_section
from tohum.errors import UserError

AS_THEY_ARE = ("text", "answer", "svg")  # OmegaConf would read ${...} in them
FOR = {  # the pictures in which a key means something
    "text": ("tokens", "merges", "network", "attention", "next"),
    "answer": ("tokens",),
    "chat": ("network", "attention", "next"),
    "count": ("network", "next", "merges"),
    "temperature": ("next",),
    "layer": ("attention",),
    "head": ("attention",),
}


def read_view(arguments: list[str], path: Path) -> tuple[str, Show]:
    """Returns the name of the picture and its options.

    Args:
        arguments: the picture first; then key=value, and at most one text.
        path: conf/show.yaml.

    Raises:
        UserError: there is no such picture, two texts, or a key or value that is not allowed.
    """
    if not arguments:
        raise UserError(f"which picture? One of {', '.join(PICTURES)}.")
    picture, *rest = arguments
    if picture not in PICTURES:
        raise UserError(f"there is no picture '{picture}'.{nearest(picture, list(PICTURES))}")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    keys = [field.name for field in fields(Show)]
    texts = []
    for argument in rest:
        key, equal, value = argument.partition("=")
        if equal and key in keys:
            if picture not in FOR.get(key, PICTURES):
                raise UserError(f"'{key}' has no meaning for `tohum show {picture}`: leave it out.")
            values[key] = value
        else:
            texts.append(argument)
    if texts:
        values["text"] = _one(texts, picture)
    return picture, _checked(values)


def _one(texts: list[str], picture: str) -> str:
    """Returns the only text."""
    if picture not in FOR["text"]:
        raise UserError(f"`tohum show {picture}` takes no text: leave {texts[0]!r} out.")
    if len(texts) > 1:
        raise UserError(
            f"{texts[0]!r} and {texts[1]!r} are two texts, expected one. Put quotes around the "
            f'whole text: tohum show {picture} "{" ".join(texts)}"'
        )
    return texts[0]


def _checked(values: dict[str, object]) -> Show:
    kept = {key: values.get(key) for key in AS_THEY_ARE}
    options = read_section("show", Show, {**values, **dict.fromkeys(AS_THEY_ARE)})
    for key, value in kept.items():
        setattr(options, key, None if value is None else str(value))
    return options
