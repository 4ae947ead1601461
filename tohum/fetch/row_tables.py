"""Reads rows that name files: parquet of any known shape, as tables of known columns.

A source's `columns` map our columns to its own; a dotted name such as `files.blob_id` is a field of
a list of structs, and every element of the list becomes a row. Memory is that of one batch, however
large the file or its row groups are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from tohum.errors import UserError
from tohum.fetch.nested_columns import top_columns

TYPES: dict[str, pyarrow.DataType] = {
    "id": pyarrow.string(),
    "path": pyarrow.string(),
    "repo": pyarrow.string(),
    "license": pyarrow.string(),
    "license_type": pyarrow.string(),
    "encoding": pyarrow.string(),
    "bytes": pyarrow.int64(),
    "language": pyarrow.string(),
    "is_vendored": pyarrow.bool_(),
    "is_generated": pyarrow.bool_(),
    "stars": pyarrow.int64(),
    "url": pyarrow.string(),
    "content": pyarrow.string(),
}
ROWS = 4096  # of a table
READ_ROWS = {False: 4096, True: 64}  # at once: files, or repositories with their files in them
BUFFER_BYTES = 1 << 20


def read_rows(path: Path | Any, columns: dict[str, str], name: str) -> Iterator[pyarrow.Table]:
    """Yields the rows of a parquet file as tables of at most ROWS rows.

    Args:
        path: a path or an open file.
        columns: the file's column for each of ours (a key of TYPES).
        name: the file, for messages.

    Raises:
        UserError: it is not parquet, or lacks a column, or one of ours is not in TYPES.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{name} is not a parquet file: {error}") from None
    unknown = [column for column in columns if column not in TYPES]
    if unknown:
        raise UserError(
            f"source.columns has {', '.join(unknown)}, which is not one of our columns: "
            f"{', '.join(TYPES)}."
        )
    top = top_columns(columns.values(), file.schema_arrow, name)
    nested = any("." in column for column in columns.values())
    for batch in file.iter_batches(READ_ROWS[nested], columns=top):
        table = _flatten(pyarrow.Table.from_batches([batch]), columns, name)
        for start in range(0, len(table), ROWS):
            yield table.slice(start, ROWS)


def _flatten(table: pyarrow.Table, columns: dict[str, str], name: str) -> pyarrow.Table:
    parents, lists = None, {}
    for column in columns.values():
        outer, dot, _ = column.partition(".")
        if dot and outer not in lists:
            chunk = table[outer].combine_chunks()
            parents = pyarrow.compute.list_parent_indices(chunk)
            lists[outer] = pyarrow.compute.list_flatten(chunk)
    found = {}
    for ours, theirs in columns.items():
        outer, dot, inner = theirs.partition(".")
        if dot:
            values = pyarrow.compute.struct_field(lists[outer], inner)
        elif parents is not None:
            values = table[outer].take(parents)
        else:
            values = table[outer]
        found[ours] = _cast(values, TYPES[ours], theirs, name)
    return pyarrow.table(found)


def _cast(values: Any, wanted: pyarrow.DataType, column: str, name: str) -> Any:
    """Converts a column to our type: large strings to strings, a list of licences to one string."""
    if pyarrow.types.is_list(values.type) or pyarrow.types.is_large_list(values.type):
        values = pyarrow.compute.binary_join(values.cast(pyarrow.list_(pyarrow.string())), "; ")
    try:
        return values.cast(wanted)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise UserError(
            f"{name}: the column {column} is {values.type}, expected {wanted}: {error}"
        ) from None
