"""Scalars as texts, and texts that hold a value written as JSON or as Python writes it."""

import ast
import datetime
import decimal
import math
import re
import uuid
import warnings
from typing import Any

import orjson

from tohum.fields.dense_json import DENSE, is_dense

LITERAL = re.compile(r"\s*[\[{]")  # what begins a list or an object
# NumPy writes no comma between the elements of an array; in a string, a line feed is always escaped
NUMPY_GAP = re.compile(r"\}\s*\n\s*\{")
LONGEST_LITERAL = 4 << 20  # characters; Python's parser takes a hundred times as many bytes
EXACT = 2.0**63  # orjson reads longer whole numbers as floats
WRITTEN_BY_STR = (int, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)


class Unfit(Exception):
    """A row's value is not what its field needs; the message says which and why."""


class Empty(Unfit):
    """There is a place for the text, but nothing in it."""


def as_text(value: Any, written: str) -> str | None:
    """Returns a scalar as text: true and false as in JSON, dates as in ISO 8601 with a space; null,
    and a number that is none (NaN, infinity), as None.

    Args:
        written: where the value is from, for messages.

    Raises:
        Unfit: it is a list, an object, bytes that are not UTF-8, or a whole number that a float
            holds only roughly, as JSON's are read beyond 64 bits.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if EXACT <= abs(value) < math.inf:
            raise Unfit(f"'{written}' is a number too long to be read exactly: write it as text")
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() else None
    if isinstance(value, WRITTEN_BY_STR):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Unfit(f"'{written}' is bytes that are not UTF-8, expected text") from None
    first = value[0] if isinstance(value, list) and value else None
    hint = f"; '{written}[0]' is its first" if isinstance(first, str) else ""
    raise Unfit(f"'{written}' is {kind_of(value)}, expected text{hint}")


def read_literal(text: str) -> Any:
    """Returns the list or object that a text holds, as JSON or as Python or NumPy prints it.

    Raises:
        ValueError: it holds none.
    """
    if not LITERAL.match(text):
        raise ValueError("it does not begin with [ or {")
    if is_dense(text):
        raise ValueError(DENSE)
    try:
        return orjson.loads(text)
    except ValueError as error:
        problem = error
    if len(text) > LONGEST_LITERAL:
        raise ValueError(f"not JSON ({problem}), and too long for a Python literal")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unknown escapes
            value = ast.literal_eval(NUMPY_GAP.sub("}, {", text).strip())
        orjson.dumps(value)  # fails for sets, bytes, and half a surrogate pair
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"neither JSON ({problem}) nor a Python literal") from None
    return value


def kind_of(value: Any) -> str:
    """Returns what a value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", bytes: "bytes"}
    return "null" if value is None else kinds.get(type(value), "a number")
