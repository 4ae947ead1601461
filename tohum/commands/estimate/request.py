"""What an estimate is asked for: the configuration with overrides, and the keys of its own."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.compose.composition import compose, read_overrides
from tohum.errors import UserError

BANDWIDTH = 50.0  # megabits a second, where none is given
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?")
POWERS = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12}


@dataclass(frozen=True)
class Request:
    """`values` are the composed sections; `text` is in bytes, `bandwidth` in bytes a second."""

    values: dict[str, Any]
    overrides: tuple[str, ...]
    text: int | None
    bandwidth: float


def read_request(arguments: list[str]) -> Request:
    """Returns what the command line asks for, on top of params.yaml.

    Raises:
        UserError: a size or bandwidth that is none, or what the compose stage refuses.
    """
    own = {"text": "", "bandwidth": ""}
    given = []
    for argument in arguments:
        key, equal, value = argument.partition("=")
        if equal and key in own:
            own[key] = value
        else:
            given.append(argument)
    overrides = [*read_overrides(Path("params.yaml")), *given]
    return Request(
        compose(Path("conf"), overrides),
        tuple(overrides),
        size_given(own["text"]) if own["text"] else None,
        1e6 / 8 * (_megabits(own["bandwidth"]) if own["bandwidth"] else BANDWIDTH),
    )


def size_given(text: str) -> int:
    """Returns a size such as 25GB in bytes; k, M, G and T are powers of 1,000.

    Raises:
        UserError: it can't be read, or is 0.
    """
    found = SIZE.fullmatch(text.strip())
    size = round(float(found[1]) * 10 ** POWERS[found[2]]) if found else 0
    if size < 1:
        raise UserError(f"text={text}: expected a size above 0, such as 800MB or 25GB.")
    return size


def _megabits(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise UserError(
            f"bandwidth={text}: expected megabits a second, a number above 0, such as 50."
        )
    return value
