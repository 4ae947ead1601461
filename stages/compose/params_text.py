"""The overrides that a params.yaml was meant to have, where they are not a list."""

import re
from typing import Any

import yaml

OVERRIDES_KEY = "overrides"
# One item of a list as it is written: in quotes, or up to the next comma outside of brackets.
ITEM = re.compile(r"""\s*("[^"]*"|'[^']*'|(?:\[[^]]*\]|\{[^}]*\}|[^],[{}])+)\s*(?:,|$)""")
# Several items as on a command line.
ONE_LINE = re.compile(r"[\w.]+=[^\s,\[\]]+(\s+[\w.]+=[^\s,\[\]]+)+")


def meant_overrides(text: str) -> list[str] | None:
    """Returns the overrides that a text was meant to have; None where that can't be told.

    It takes what is not YAML apart itself: a backslash in double quotes, a list within the list,
    a path with a number sign.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return _written(text)
    if values in (None, {OVERRIDES_KEY: None}):
        return []
    given = values.get(OVERRIDES_KEY) if isinstance(values, dict) else values
    if isinstance(given, str) and ONE_LINE.fullmatch(given.strip()):
        return given.split()
    if isinstance(given, str):
        return _items(re.sub(rf"^{OVERRIDES_KEY}\s*=\s*\[(.*)\]$", r"\1", given.strip()))
    if isinstance(given, dict):
        given = [given]
    found = [text for item in given or [] for text in _flat(item)]
    return found or None


def _flat(item: Any) -> list[str]:
    if isinstance(item, str):
        return [item]
    if not isinstance(item, dict):
        return []
    return [
        f"{key}=[{', '.join(map(str, value))}]" if isinstance(value, list) else f"{key}={value}"
        for key, value in item.items()
    ]


def _written(text: str) -> list[str]:
    """Returns the items of a list that is not YAML."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    body = re.split(rf"{OVERRIDES_KEY}\s*[:=]", "\n".join(lines), maxsplit=1)[-1].strip()
    if body.startswith("["):
        return _items(body[1:].rstrip().removesuffix("]"))
    return [_plain(line.strip()[1:]) for line in body.splitlines() if line.strip().startswith("-")]


def _items(text: str) -> list[str]:
    return [_plain(item) for item in ITEM.findall(text) if item.strip()]


def _plain(item: str) -> str:
    """Returns an item without its quotes."""
    item = item.strip()
    if len(item) > 1 and item[0] == item[-1] == "'":
        return item[1:-1].replace("''", "'")
    return item[1:-1] if len(item) > 1 and item[0] == item[-1] == '"' else item
