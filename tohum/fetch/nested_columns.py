"""Finds a dataset's columns as `source.columns` names them: `blob_id`, or `files.blob_id`.

A column may have a dot in its own name; that comes first.
"""

from collections.abc import Collection, Iterable

import pyarrow

from tohum.errors import UserError


def top_columns(columns: Iterable[str], schema: pyarrow.Schema, name: str) -> list[str]:
    """Returns the top-level columns that contain the named ones, by name.

    Args:
        name: the file's name, for the message.

    Raises:
        UserError: the file lacks one, or they are in more than one list.
    """
    wanted = sorted(set(columns))
    there = _names(schema)
    missing = [column for column in wanted if column not in there]
    if missing:
        raise UserError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(there)}. Set "
            "source.columns to names that exist."
        )
    parts = [split_column(column, schema.names) for column in wanted]
    lists = sorted({top for top, inner in parts if inner})
    if len(lists) > 1:
        raise UserError(
            f"source.columns names parts of the lists {' and '.join(lists)} of {name}, whose "
            "elements have nothing to do with each other. Name those of one list."
        )
    return sorted({top for top, _ in parts})


def split_column(column: str, tops: Collection[str]) -> tuple[str, str]:
    """Returns the top-level column that contains a column, and the latter's name within it, empty
    for a top-level column itself.

    Args:
        tops: the names of the top-level columns.
    """
    if column in tops:
        return column, ""
    top = max((top for top in tops if column.startswith(f"{top}.")), key=len)
    return top, column[len(top) + 1 :]


def _names(schema: pyarrow.Schema) -> list[str]:
    """Returns every name that `source.columns` may use, in the file's order."""
    names = []
    for field in schema:
        names.append(field.name)
        if pyarrow.types.is_list(field.type) or pyarrow.types.is_large_list(field.type):
            inner = field.type.value_type
            if pyarrow.types.is_struct(inner):
                names += [f"{field.name}.{part.name}" for part in inner]
    return names
