"""Describes the columns of sampled rows, their types, nulls and lengths, and shows three rows."""

import statistics
from collections import Counter
from typing import Any

import orjson

from tohum.commands.inspect.sample import Sample
from tohum.commands.printing import aligned, cut
from tohum.translation import translated, translated_label

SAMPLES = 3
MOST_COLUMNS = 60


def describe_columns(sample: Sample, width: int) -> list[str]:
    """Returns a table of the columns."""
    names = sample.columns
    head = ("column", "null or empty", "length: median", "longest", "type")
    table = [
        tuple(map(translated_label, head)),
        *(_column(sample, name) for name in names[:MOST_COLUMNS]),
    ]
    lines = aligned(table, width, numbers=(1, 2, 3))
    if len(names) > MOST_COLUMNS:
        lines.append(translated(f"  and {len(names) - MOST_COLUMNS} more columns"))
    return lines


def _column(sample: Sample, name: str) -> tuple[str, str, str, str, str]:
    values = [row.values.get(name) for row in sample.rows]
    empty = sum(value is None or value in ("", []) for value in values)
    kinds = Counter(type_of(value) for value in values if value is not None)
    type = sample.types.get(name) or " or ".join(kind for kind, _ in kinds.most_common(3))
    type = translated_label(type)
    lengths = [len(value) for value in values if isinstance(value, str | list) and value]
    share = f"{empty / len(values):.1%}" if values else "-"
    if not lengths:
        return name, share, "-", "-", type or "null"
    median, longest = statistics.median(lengths), max(lengths)
    return name, share, f"{median:,.0f}", f"{longest:,}", type


def type_of(value: Any) -> str:
    """Returns the type of a value in words, with what is in a list or an object."""
    if isinstance(value, dict):
        return "{" + ", ".join(value) + "}"
    if isinstance(value, list):
        return f"list of {type_of(value[0])}" if value else "list"
    names = {str: "text", bool: "true or false", int: "integer", float: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def describe_rows(sample: Sample, width: int) -> list[str]:
    """Returns the first, the middle and the last of the rows, each value on a line."""
    count = len(sample.rows)
    lines = []
    for place in sorted({0, count // 2, count - 1} if count else set())[:SAMPLES]:
        row = sample.rows[place]
        lines.append(translated(f"  row {row.number}"))
        names = list(row.values)[:MOST_COLUMNS]
        indent = max(map(len, names), default=0)
        for name in names:
            lines.append(cut(f"    {name.ljust(indent)}  {_shown(row.values[name])}", width))
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
