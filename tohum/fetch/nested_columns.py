"""Finds a dataset's columns as `source.columns` names them: `blob_id`, or `files.blob_id`."""

from collections.abc import Iterable

import pyarrow

from tohum.errors import UserError


def top_columns(columns: Iterable[str], schema: pyarrow.Schema, name: str) -> list[str]:
    """Returns the top-level columns that contain the named ones, by name.

    Args:
        name: the file's name, for the message.

    Raises:
        UserError: the file lacks one.
    """
    wanted = sorted(set(columns))
    there = _names(schema)
    missing = [column for column in wanted if column not in there]
    if missing:
        raise UserError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(there)}. Set "
            "source.columns to names that exist."
        )
    return sorted({column.partition(".")[0] for column in wanted})


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
