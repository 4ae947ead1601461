"""Reads the fields of a request's JSON body, and names the one that is wrong."""

import json
import math
from typing import Any


class BadRequest(Exception):
    """A request that can't be answered; `param` is the name of the field, as sent."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(whole_characters(message))
        self.param = None if param is None else whole_characters(param)
        self.status = status


def read_body(body: bytes) -> "RequestFields":
    """Returns the fields of a JSON object.

    Raises:
        BadRequest: it is not one.
    """
    try:
        values = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequest("the body is nested too deeply.") from None
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise BadRequest("the body is not a JSON object.")
    return RequestFields(values)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


class RequestFields:
    """The fields of a JSON object. Each reader returns a default if the field is missing or null.

    Raises:
        BadRequest: the field has another type, or a value out of bounds.
    """

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self.values = values
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def name(self, name: str) -> str:
        """Returns the whole name of a field, for messages."""
        return f"{self._path}{name}"

    def wrong(self, name: str, expected: str) -> BadRequest:
        """Returns the error for a field that is not as expected."""
        found = json.dumps(self.values.get(name), ensure_ascii=False)
        found = found if len(found) <= 60 else f"{found[:57]}..."
        path = self.name(name)
        return BadRequest(f"'{path}' is {found}, expected {expected}.", path)

    def unsupported(self, name: str) -> BadRequest:
        """Returns the error for a field that asks for what the server can't do."""
        path = self.name(name)
        return BadRequest(f"'{path}' is not supported here: leave it out.", path)

    def text(self, name: str, default: str = "") -> str:
        """Returns a string; a lone surrogate, which is no character, becomes U+FFFD."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(name, "a string")
        return whole_characters(value)

    def texts(self, name: str, most: int) -> list[str]:
        """Returns a string, or up to `most` of them, as a list; an empty one is left out."""
        value = self.values.get(name)
        values = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise self.wrong(name, "a string or a list of strings")
        if len(values) > most:
            raise self.wrong(name, f"at most {most} strings")
        return [whole_characters(each) for each in values if each]

    def flag(self, name: str, default: bool = False) -> bool:
        """Returns true or false."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Returns a whole number, 3.0 too."""
        number = self.number(name, default, least, most)
        if number != int(number):
            raise self.wrong(name, "a whole number")
        return int(number)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Returns a finite number."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name, "a number")
        if not least <= value <= most or not math.isfinite(value):
            raise self.wrong(name, f"a number from {least:g} to {most:g}")
        return value

    def fields(self, name: str) -> "RequestFields":
        """Returns the fields of an object."""
        value = self.values.get(name)
        if value is None:
            return RequestFields({}, f"{self.name(name)}.")
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return RequestFields(value, f"{self.name(name)}.")

    def objects(self, name: str, most: int) -> "list[RequestFields]":
        """Returns the objects of a list."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(name, f"a list of at most {most} objects")
        for number, each in enumerate(value):
            if not isinstance(each, dict):
                raise BadRequest(
                    f"'{self.name(name)}[{number}]' is not an object.",
                    f"{self.name(name)}[{number}]",
                )
        return [
            RequestFields(each, f"{self.name(name)}[{number}].")
            for number, each in enumerate(value)
        ]


def whole_characters(text: str) -> str:
    """Returns a text that UTF-8 can hold."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
