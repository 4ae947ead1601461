"""Tables that are one JSON object, as pandas' `to_json` and datasets' `to_dict` write them."""

from typing import Any

from tohum.fields.speakers import is_conversation

Table = dict[str, Any]


def rows_of_columns(table: Table) -> list[Table] | None:
    """Returns the rows of {column: {"0": value, ...}} or {"0": {column: value}, ...}, pandas'
    orients "columns" and "index"; None if it is neither.
    """
    columns = list(table.values())
    if not columns or not all(isinstance(column, dict) for column in columns):
        return None
    if all(key.isdecimal() for key in table):
        return columns
    places = columns[0].keys()
    if not places or not all(column.keys() == places for column in columns):
        return None
    if not all(place.isdecimal() for place in places):
        return None
    if len(columns) == 1 and is_conversation(list(columns[0].values())):
        return None  # numbered messages
    return [{name: column[place] for name, column in table.items()} for place in places]


def rows_of_lists(table: Table) -> list[Table] | None:
    """Returns the rows of {column: [value, ...]}, or of pandas' orient "split"; None if it is
    neither. A list that is a conversation is the value of one row.
    """
    columns = list(table.values())
    if not columns or not all(isinstance(column, list) for column in columns):
        return None
    if table.keys() - {"index"} == {"columns", "data"}:
        names = [str(name) for name in table["columns"]]
        rows = table["data"]
        fitting = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return [dict(zip(names, row, strict=True)) for row in rows] if fitting else None
    if len({len(column) for column in columns}) > 1 or any(map(is_conversation, columns)):
        return None
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)] or None
