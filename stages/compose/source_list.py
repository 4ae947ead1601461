"""Overrides that list several sources, `source=[packages,qa:files]`, and those for one of them.

Hydra's grammar reads them, but Hydra does not accept a list for a group, so each source is composed
separately.
"""

import re
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override, QuotedString

from tohum.errors import UserError

SOURCE_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass
class SourceList:
    """The presets in a list, by source name, and the overrides for each.

    `rest` holds the overrides that do not concern a source.
    """

    presets: dict[str, str]
    own: dict[str, list[str]]
    rest: list[str]


def split_overrides(overrides: list[Override]) -> SourceList | list[str]:
    """Returns the requested list of sources, or the overrides as text if there is none.

    As in Hydra, the last `source=` wins, whether it names a preset or a list. A deleted `source`
    overrules any list.

    Raises:
        UserError: the list is malformed, or an override is for a source that is not in it.
    """
    chosen = [item for item in overrides if _is_group(item) and not item.is_delete()]
    deleted = any(_is_group(item) and item.is_delete() for item in overrides)
    if deleted or not chosen or not is_source_list(chosen[-1]):
        return [_text(item) for item in overrides if not is_source_list(item)]
    presets = _presets(chosen[-1])
    own: dict[str, list[str]] = {name: [] for name in presets}
    rest = []
    for item in overrides:
        if _is_group(item):
            continue
        if not item.key_or_group.startswith("source."):
            rest.append(_text(item))
            continue
        _, name, *path = item.key_or_group.split(".")
        if name not in presets:
            raise UserError(
                f"the override '{_text(item)}' is for a source that is not in the list."
            )
        if not path:
            raise UserError(
                f"the override '{_text(item)}' replaces a whole source: set its values, as in "
                f"source.{name}.<key>=<value>, or change the list."
            )
        own[name].append(_text(item).replace(f"source.{name}.", "source.", 1))
    return SourceList(presets, own, rest)


def _presets(override: Override) -> dict[str, str]:
    """Returns the preset of each source, by source name.

    `source=[packages,files]` names presets; `source=[code:local,qa:files]` renames them, so one
    preset can be used twice.
    """
    written = _text(override)
    if override.is_add():
        raise UserError(f"the override '{written}' adds to the source: write it without a plus.")
    presets: dict[str, str] = {}
    for item in _elements(override):
        text = item.text if isinstance(item, QuotedString) else item
        name, _, preset = text.partition(":") if isinstance(text, str) else (str(text), "", "")
        if not isinstance(text, str) or not SOURCE_NAME.fullmatch(name) or name in presets:
            raise UserError(
                f"{written}: '{name}' is "
                + ("listed twice" if name in presets else "not a name of letters, digits, _ and -")
                + ". Name each source once: source=[packages,files] or "
                "source=[mine:local,other:local]."
            )
        presets[name] = preset.strip() or name
    return presets


def is_source_list(override: Override) -> bool:
    """Returns whether an override is a list for the group `source`."""
    one_value = not override.is_sweep_override()
    return _is_group(override) and one_value and isinstance(override.value(), list)


def _is_group(override: Override) -> bool:
    return bool(override.key_or_group == "source" and override.package is None)


def _elements(override: Override) -> list[Any]:
    elements: Any = override.value()
    return list(elements)


def _text(override: Override) -> str:
    return (override.input_line or "").strip()
