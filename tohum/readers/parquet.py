"""Reads parquet of any schema, the needed columns only, in blocks that workers can parse.

Small row groups are read where they are parsed, large ones in batches of about BLOCK_BYTES. A file
with 9,000 row groups has a footer of many MB, so a block has several groups, and a process parses a
footer once.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from tohum.errors import UserError
from tohum.readers.leaves import Steps, find_leaves
from tohum.readers.rows import BLOCK_BYTES, Broken, FileFormat, Row, RowBlock

LARGEST_GROUP = 4 * BLOCK_BYTES  # uncompressed; a larger one is not read at once
SLICE_ROWS = 64  # that are Python objects at once
MOST_BATCH_ROWS = 1 << 16
GROUP_BATCH_ROWS = 1 << 10  # a text that many rows share is stored once, and is in memory for each


@dataclass
class RowGroups:
    """Whole row groups of a file, read by whoever asks for the rows."""

    path: Path
    groups: range
    number: int
    leaves: list[int] | None = None  # of its columns; None: all

    def rows(self) -> Iterator[Row | Broken]:
        """Reads the row groups, one after another."""
        number = self.number
        with _open(self.path, _metadata(self.path, *_state(self.path))) as file:
            for batch in _read(file, self.path, list(self.groups), GROUP_BATCH_ROWS, self.leaves):
                yield from read_batch(batch, number)
                number += len(batch)


@dataclass
class Batch:
    """Rows of a large row group, already read."""

    batch: pyarrow.RecordBatch = field(repr=False)
    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Yields the rows."""
        return read_batch(self.batch, self.number)

    def __getstate__(self) -> tuple[Any, int]:
        """Returns the rows as a stream; pickled, a slice would contain all that it is part of."""
        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, self.batch.schema) as stream:
            stream.write_batch(self.batch)
        return sink.getvalue(), self.number

    def __setstate__(self, state: tuple[Any, int]) -> None:
        """Reads the stream."""
        content, self.number = state
        with pyarrow.ipc.open_stream(content) as stream:
            self.batch = stream.read_next_batch()


def column_names(path: Path) -> tuple[str, ...]:
    """Returns the names of the outermost columns.

    Raises:
        UserError: it is not a parquet file, or it is cut off.
    """
    with _open(path, None) as file:
        return tuple(file.schema_arrow.names)


def read_parquet(
    path: Path, format: FileFormat, needed: Iterable[Steps] | None = None
) -> Iterator[RowBlock]:
    """Yields the blocks of a parquet file.

    Args:
        needed: the paths wanted of each row; None, or one that doesn't exist: all of it.

    Raises:
        UserError: it is not a parquet file, or it is cut off.
    """
    number, pending, size = 1, range(0, 0), 0
    first = number
    with _open(path, None) as file:
        metadata = file.metadata
        leaves = None
        if needed is not None:
            leaves = find_leaves(file.schema_arrow, metadata.num_columns, needed)
        for group in range(metadata.num_row_groups):
            rows, bytes_ = metadata.row_group(group).num_rows, _group_bytes(metadata, group, leaves)
            if pending and size + bytes_ > BLOCK_BYTES:
                yield RowGroups(path, pending, first, leaves)
                pending = range(0, 0)
            if bytes_ > LARGEST_GROUP:
                step = max(1, BLOCK_BYTES * rows // bytes_)
                start = number
                for batch in _read(file, path, [group], min(step, MOST_BATCH_ROWS), leaves):
                    yield Batch(batch, start)
                    start += len(batch)
            elif pending:
                pending, size = range(pending.start, group + 1), size + bytes_
            else:
                pending, size, first = range(group, group + 1), bytes_, number
            number += rows
    if pending:
        yield RowGroups(path, pending, first, leaves)


def _group_bytes(metadata: Any, group: int, leaves: list[int] | None) -> int:
    described = metadata.row_group(group)
    if leaves is None:
        return max(1, int(described.total_byte_size))
    sizes = (int(described.column(leaf).total_uncompressed_size) for leaf in leaves)
    return max(1, sum(sizes))


def _read(
    file: pyarrow.parquet.ParquetFile,
    path: Path,
    groups: list[int],
    rows: int,
    leaves: list[int] | None,
) -> Iterator[pyarrow.RecordBatch]:
    names = None
    if leaves is not None:
        names = [file.metadata.schema.column(leaf).path for leaf in leaves]
    try:
        yield from file.iter_batches(rows, row_groups=groups, columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(
            f"{path} is damaged in row group {groups[0]} or later ({error}). Fetch it again."
        ) from None


def read_batch(batch: pyarrow.RecordBatch, number: int) -> Iterator[Row | Broken]:
    """Yields the rows of a batch; `number` is that of the first."""
    schema = pyarrow.schema(
        [(field.name, without_nanoseconds(field.type)) for field in batch.schema]
    )
    if schema.types != batch.schema.types:
        batch = batch.cast(schema, safe=False)
    step = SLICE_ROWS if batch.nbytes > BLOCK_BYTES else max(1, len(batch))
    for start in range(0, len(batch), step):
        piece = batch.slice(start, step)
        try:
            rows: list[Row | Broken] = [Row(number, values) for values in piece.to_pylist()]
        except (ValueError, OverflowError):  # of one of them
            rows = [_row(piece.slice(place, 1), number) for place in range(len(piece))]
        for row in rows:
            row.number = number
            yield row
            number += 1


def _row(batch: pyarrow.RecordBatch, number: int) -> Row | Broken:
    """Returns a row, or why it is broken: text that is not UTF-8, a date that Python can't
    represent.
    """
    try:
        [values] = batch.to_pylist()
        return Row(number, values)
    except (ValueError, OverflowError) as error:
        return Broken(number, f"a value can't be read: {error}")


def without_nanoseconds(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Returns a type with microseconds instead of nanoseconds, which Python's times don't have."""
    types = pyarrow.types
    if types.is_timestamp(kind) and kind.unit == "ns":
        return pyarrow.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return pyarrow.duration("us")
    if types.is_time64(kind):
        return pyarrow.time64("us")
    if types.is_list(kind):
        return pyarrow.list_(without_nanoseconds(kind.value_type))
    if types.is_struct(kind):
        return pyarrow.struct([(each.name, without_nanoseconds(each.type)) for each in kind])
    return kind


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=2)
def _metadata(path: Path, modified: int, size: int) -> Any:
    """Returns the footer of a file as of that time and size."""
    with _open(path, None) as file:
        return file.metadata


def _open(path: Path, metadata: Any) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(
            path, metadata=metadata, pre_buffer=False, buffer_size=1 << 20
        )
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path} is not a parquet file, or not a complete one ({error}). Fetch it again."
        ) from None
