"""Turns the plain values of one section into its dataclass, checking each value.

An error names the key, the value found and what is allowed.
"""

import dataclasses
import difflib
from dataclasses import field
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tohum.errors import UserError

Section = TypeVar("Section")


def limits(
    minimum: float | None = None, maximum: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """A required dataclass field whose value is in [minimum, maximum] or one of `choices`; for a
    list, each item is.
    """
    return field(metadata={"minimum": minimum, "maximum": maximum, "choices": choices})


def read_section(name: str, cls: type[Section], values: Any) -> Section:
    """Turns the values of one section into its dataclass, checked.

    Raises:
        UserError: an unknown or missing key, a wrong type, or a value that is not allowed.
    """
    keys = [item.name for item in dataclasses.fields(cast(Any, cls))]
    if not isinstance(values, dict):
        raise UserError(
            f"{name} is {values!r}, expected a mapping with the keys {', '.join(keys)}."
        )
    for key in values:
        if key not in keys:
            raise UserError(f"unknown key '{name}.{key}'.{nearest(str(key), keys)}")
    for key in keys:
        if key not in values or values[key] == "???":
            raise UserError(
                f"{name}.{key} has no value: give it one, for example as an override in "
                "params.yaml."
            )
    section = OmegaConf.structured(cls)
    for key, value in values.items():
        try:
            section = OmegaConf.merge(section, {key: value})
            OmegaConf.to_container(section, resolve=True)  # fails here if ${...} leads nowhere
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{name}.{key} is {value!r}, expected {_type_name(cls, key)} ({reason})."
            ) from None
    checked = cast(Section, OmegaConf.to_object(section))
    for item in dataclasses.fields(cast(Any, cls)):
        _check_limits(f"{name}.{item.name}", getattr(checked, item.name), item.metadata)
    return checked


def _check_limits(key: str, value: Any, metadata: Any) -> None:
    if value is None or not metadata:
        return
    choices, minimum, maximum = metadata["choices"], metadata["minimum"], metadata["maximum"]
    if isinstance(value, list):
        for item in value:
            if choices and item not in choices:
                raise UserError(f"{key} has {item!r}, allowed: {', '.join(choices)}.")
        return
    if choices and value not in choices:
        raise UserError(f"{key} is {value!r}, allowed: {', '.join(choices)}.")
    if minimum is not None and not value >= minimum:
        raise UserError(f"{key} is {value}, expected at least {minimum}.")
    if maximum is not None and not value <= maximum:
        raise UserError(f"{key} is {value}, expected at most {maximum}.")


def nearest(name: str, known: list[str]) -> str:
    """Returns a sentence with the known name that was probably meant, or with all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(known)}."


def _type_name(cls: type, key: str) -> str:
    names = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "str": "a string",
        "None": "null",
    }
    annotation = next(item.type for item in dataclasses.fields(cast(Any, cls)) if item.name == key)
    written = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return " or ".join(names.get(part, part) for part in written.split(" | "))
