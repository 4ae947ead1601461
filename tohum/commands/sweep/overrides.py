"""Hydra overrides as text: parses them, combines them for DVC, and makes the names of points."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from tohum.errors import UserError

NAME_LENGTH = 100  # a name is a file in .git/refs, and the longest file name is 255 bytes
HASH_DIGITS = 8


def parse(arguments: Iterable[str]) -> list[Override]:
    """Returns the overrides as Hydra understands them.

    Raises:
        UserError: an argument is not an override.
    """
    parser = OverridesParser.create()
    parsed = []
    for argument in arguments:
        try:
            parsed.append(parser.parse_override(argument))
        except HydraException as error:
            raise UserError(
                f"'{argument}' is not an override: {str(error).splitlines()[0]}. Write "
                "key=value, or with -m key=value,value."
            ) from None
    return parsed


def swept_values(override: Override) -> Iterator[str]:
    """Yields the values that an override takes; for an interval, its two ends."""
    value = override.value()
    if not override.is_sweep_override():
        yield str(override.get_value_element_as_str())
    elif isinstance(value, IntervalSweep):
        yield from (_number(end) for end in (value.start, value.end) if end is not None)
    else:
        yield from override.sweep_string_iterator()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def without(overrides: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Returns the overrides of keys other than these."""
    known = set(keys)
    texts = list(overrides)
    return [
        text
        for text, parsed in zip(texts, parse(texts), strict=True)
        if parsed.key_or_group not in known
    ]


def set_param(overrides: Iterable[str]) -> str:
    """Returns the one argument of `dvc exp run -S` that writes this list into params.yaml.

    DVC reads it with Hydra's grammar, in which a backslash counts only before a quote, and then
    resolves `${...}`, which a backslash prevents.
    """
    return "overrides=[" + ",".join(_quoted(override) for override in overrides) + "]"


def _quoted(text: str) -> str:
    literal = re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", text)
    return QuotedString(text=literal, quote=Quote.double).with_quotes()


def point_hash(identity: Any) -> str:
    """Returns a hash of everything that defines a point. It ends the point's name: an experiment
    with this ending is this point, done.
    """
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


def point_name(swept: Mapping[str, str], digest: str) -> str:
    """Returns a name that shows the swept values."""
    words = [f"{key.rpartition('.')[2]}-{value}" for key, value in swept.items()]
    readable = re.sub(r"[^\w-]+", "-", "_".join(words), flags=re.ASCII).strip("-")
    return f"{readable[:NAME_LENGTH] or 'point'}_{digest}"
