"""Selectors: a record's field is taken from a column, a path into nested ones, or a template.

    soru                          a column
    meta.repo                     a field of a nested column
    answer[0]                     the first element of a list
    files[].content               a field of every element of a list, each of which is a record
    "{instruction}\\n\\n{input}"    a template: columns and paths in braces, {{ and }} for braces

A template's blocks are separated by empty lines; those whose columns are all null or empty are left
out. `\\n` written as two characters is a line feed, for overrides on a command line. A number, a
date, true and false are texts too. A path leads into a list or an object that a text holds, as in a
table's cell.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tohum.fields.scalars import as_text, read_literal

Getter = Callable[[dict[str, Any], Any], Any]  # from the row and the element of its list
PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")
EACH = "[]"
INDEX = re.compile(r"\[([0-9]{1,9})\]")
INDICES = re.compile(rf"(?<=[^\[\]])(?:{INDEX.pattern})+\Z")
Steps = tuple[str | int, ...]  # an integer is a place in a list


@dataclass(frozen=True)
class Path:
    """A column or a path: the list that contains it, or None, and the steps from there."""

    written: str
    each: str | None
    steps: Steps


@functools.lru_cache(maxsize=4096)
def parse_path(written: str) -> Path:
    """Parses a column or a path.

    Raises:
        ValueError: it has an empty step, or nested lists.
    """
    written = written.replace("\\n", "\n")
    each, found, rest = written.partition(EACH)
    if EACH in rest:
        raise ValueError(f"'{written}' goes through two lists, expected at most one '[]'")
    steps = () if found and not rest else parse_steps(rest.removeprefix(".") if found else written)
    if "" in steps or (found and (not each or (rest and not rest.startswith(".")))):
        raise ValueError(
            f"'{written}' is not a path, expected one such as meta.repo or files[].content"
        )
    return Path(written, each if found else None, steps)


def parse_steps(written: str) -> Steps:
    """Returns the steps of a path without `[]`: the names between the dots, and places in lists."""
    steps: list[str | int] = []
    for step in written.split("."):
        indices = INDICES.search(step)
        steps.append(step[: indices.start()] if indices else step)
        steps += [int(index) for index in INDEX.findall(indices[0])] if indices else []
    return tuple(steps)


def is_template(written: str) -> bool:
    """Returns whether a value is a template, not a path."""
    return "{" in written or "}" in written


@functools.lru_cache(maxsize=4096)
def parse_template(written: str) -> tuple[tuple[str | Path, ...], ...]:
    """Parses a template into blocks of literal texts and paths.

    Raises:
        ValueError: a brace is not closed, or it names no column.
    """
    blocks = [_parse_block(block) for block in written.replace("\\n", "\n").split("\n\n")]
    if not any(isinstance(part, Path) for block in blocks for part in block):
        raise ValueError(f"'{written}' names no column, expected one such as {{instruction}}")
    return tuple(blocks)


def _parse_block(block: str) -> tuple[str | Path, ...]:
    parts: list[str | Path] = []
    end = 0
    for found in PART.finditer(block):
        parts.append(block[end : found.start()])
        end = found.end()
        if found[1] is not None:
            parts.append(parse_path(found[1]))
        elif found[0] in ("{{", "}}"):
            parts.append(found[0][0])
        else:
            raise ValueError(f"'{block}' has a single '{found[0]}'; write '{found[0] * 2}' for it")
    parts.append(block[end:])
    return tuple(part for part in parts if part)


def paths_of(written: str) -> list[Path]:
    """Returns the paths that a value names.

    Raises:
        ValueError: it is malformed.
    """
    if not is_template(written):
        return [parse_path(written)]
    return [part for block in parse_template(written) for part in block if isinstance(part, Path)]


def columns_of(written: str) -> list[str]:
    """Returns the columns that a value names: the whole path, and its outermost column."""
    names = []
    for path in paths_of(written):
        outer = path.each or path.written
        names += [path.written, outer, str(parse_steps(outer)[0])]
    return names


def get_value(written: str) -> Getter:
    """Returns the function that takes a value from a row; None if there is none.

    Raises:
        ValueError: it is malformed.
    """
    if is_template(written):
        return functools.partial(_fill, parse_template(written))
    return get_path(parse_path(written))


def get_path(path: Path) -> Getter:
    """Returns the function that follows a path; a column whose whole name it is comes first."""
    if path.each is not None:
        return lambda row, element: follow(element, path.steps)
    written, steps = path.written, path.steps
    if len(steps) == 1:
        return lambda row, element: row.get(written)
    return lambda row, element: row[written] if written in row else follow(row, steps)


def follow(value: Any, steps: Steps) -> Any:
    """Returns what is at the end of the steps through objects and lists, or None."""
    for step in steps:
        value = opened(value)
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def is_null(value: Any, steps: Steps) -> bool:
    """Returns whether the steps lead to nothing, rather than into a value of another kind."""
    for place, step in enumerate(steps):
        inner = opened(value)
        if inner in (None, "", [], {}):
            return True
        if not isinstance(inner, dict if isinstance(step, str) else list):
            return False
        value = follow(value, steps[place : place + 1])
    return value is None or (isinstance(value, str) and not value.strip())


def opened(value: Any) -> Any:
    """Returns the list or object that a text holds; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return read_literal(value)
    except ValueError:
        return value


def _fill(blocks: tuple[tuple[str | Path, ...], ...], row: dict[str, Any], element: Any) -> Any:
    """Fills a template. Returns None if every block is left out.

    Raises:
        Unfit: a value is a list or an object.
    """
    filled, found = [], False
    for block in blocks:
        texts, has_columns, has_text = [], False, False
        for part in block:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = as_text(get_path(part)(row, element), part.written)
            texts.append(value or "")
            has_columns, has_text = True, has_text or bool(value and not value.isspace())
        found = found or has_text
        if has_text or not has_columns:
            filled.append("".join(texts))
    return "\n\n".join(filled) if found else None
