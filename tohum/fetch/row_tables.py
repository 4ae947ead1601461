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
from tohum.fetch.config import COLUMNS, check_names
from tohum.fetch.nested_columns import split_column, top_columns
from tohum.readers.parquet_damage import PARQUET_ERRORS, raise_unless_damage

TYPES = {name: pyarrow.type_for_alias(alias) for name, alias in COLUMNS.items()}
PROBLEM = "problem"  # our column that says why a row can't be read
ROWS = 4096  # of a table
READ_ROWS = {False: ROWS, True: 64}  # at once: files, or repositories with their files in them
READ_BYTES = 64 << 20  # at once, as the average row of a row group has them
BUFFER_BYTES = 1 << 20


def read_rows(path: Path | Any, columns: dict[str, str], name: str) -> Iterator[pyarrow.Table]:
    """Yields the rows of a parquet file as tables of at most ROWS rows.

    A row with a text that is not UTF-8 has null in its place, and a reason in the column PROBLEM,
    which other tables don't have.

    Args:
        path: a path or an open file.
        columns: the file's column for each of ours (a key of COLUMNS).
        name: the file, for messages.

    Raises:
        UserError: it is not parquet, damaged, or lacks a column, or one of ours is not in COLUMNS.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except PARQUET_ERRORS as error:
        raise_unless_damage(error)
        raise UserError(f"{name} is not a parquet file: {error}") from None
    check_names("source", columns)
    top = top_columns(columns.values(), file.schema_arrow, name)
    nested = any(split_column(column, file.schema_arrow.names)[1] for column in columns.values())
    rows = min(READ_ROWS[nested], max(1, READ_BYTES // _row_bytes(file.metadata)))
    first = 1
    for batch in _batches(file, rows, top, name):
        table = _flatten(pyarrow.Table.from_batches([batch]), columns, name)
        table = _valid(table, first, columns, name)
        first += len(table)
        for start in range(0, len(table), ROWS):
            yield table.slice(start, ROWS)


def _row_bytes(metadata: pyarrow.parquet.FileMetaData) -> int:
    """Returns the bytes of an average row, in the row group where it is largest; at least 1."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    return (
        max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1) or 1
    )


def _batches(
    file: pyarrow.parquet.ParquetFile, rows: int, columns: list[str], name: str
) -> Iterator[pyarrow.RecordBatch]:
    try:
        yield from file.iter_batches(rows, columns=columns)
    except PARQUET_ERRORS as error:
        raise_unless_damage(error)
        raise UserError(
            f"{name} is damaged ({error}), although its bytes are those that were fetched: report "
            "it to the dataset's owners, or name other files in source.paths."
        ) from None


def _valid(table: pyarrow.Table, first: int, columns: dict[str, str], name: str) -> pyarrow.Table:
    """Returns the table with null in place of each text that is not UTF-8, and if there are any,
    with a column PROBLEM that says where; `first` is the number of the first row.
    """
    problems: dict[int, str] = {}
    for ours, values in zip(table.column_names, table.columns, strict=True):
        if pyarrow.types.is_string(values.type) and not _is_utf8(values):
            texts: list[str | None] = []
            for place, content in enumerate(values.cast(pyarrow.binary()).to_pylist()):
                try:
                    texts.append(None if content is None else content.decode())
                except UnicodeDecodeError as error:
                    texts.append(None)
                    where = f"{name}, row {first + place}: {columns[ours]}"
                    problems.setdefault(place, f"{where} is not UTF-8 at byte {error.start}")
            column = table.column_names.index(ours)
            table = table.set_column(column, ours, pyarrow.array(texts, pyarrow.string()))
    if not problems:
        return table
    told = pyarrow.array([problems.get(place) for place in range(len(table))], pyarrow.string())
    return table.append_column(PROBLEM, told)


def _is_utf8(values: Any) -> bool:
    """Returns whether all texts are valid; pyarrow checks that where it makes texts of bytes."""
    try:
        values.cast(pyarrow.binary()).cast(pyarrow.string())
    except pyarrow.ArrowInvalid:
        return False
    return True


def _flatten(table: pyarrow.Table, columns: dict[str, str], name: str) -> pyarrow.Table:
    parts = {ours: split_column(theirs, table.column_names) for ours, theirs in columns.items()}
    parents, elements = None, None
    for top, inner in parts.values():
        if inner and elements is None:  # all are in one list
            chunk = table[top].combine_chunks()
            parents = pyarrow.compute.list_parent_indices(chunk)
            elements = pyarrow.compute.list_flatten(chunk)
    found = {}
    for ours, theirs in columns.items():
        top, inner = parts[ours]
        if inner:
            values = pyarrow.compute.struct_field(elements, inner)
        elif parents is not None:
            values = table[top].take(parents)
        else:
            values = table[top]
        found[ours] = _cast(values, TYPES[ours], theirs, name)
    return pyarrow.table(found)


def _cast(values: Any, wanted: pyarrow.DataType, column: str, name: str) -> Any:
    """Converts a column to our type: large strings to strings, a list of licences to one string."""
    options = pyarrow.compute.CastOptions(wanted, allow_invalid_utf8=True)  # see _valid
    try:
        if pyarrow.types.is_list(values.type) or pyarrow.types.is_large_list(values.type):
            texts = pyarrow.compute.CastOptions(pyarrow.list_(wanted), allow_invalid_utf8=True)
            values = pyarrow.compute.binary_join(values.cast(options=texts), "; ")
        return values.cast(options=options)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise UserError(
            f"{name}: the column {column} is {values.type}, expected {wanted}: {error}"
        ) from None
