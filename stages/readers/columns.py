"""Parquet of any schema: row groups that are small are read where they are parsed, large ones in
batches of about BLOCK_BYTES.

A file of 9,000 row groups has a footer of many MB, so several groups make a block, and a process
parses a footer once.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from stages.errors import UserError
from stages.readers.rows import BLOCK_BYTES, Block, Broken, FileFormat, Row

LARGEST_GROUP = 4 * BLOCK_BYTES  # uncompressed; a larger one is not read at once
SLICE_ROWS = 64  # that are Python objects at the same time
MOST_BATCH_ROWS = 1 << 16


@dataclass
class RowGroups:
    """Whole row groups of a file, read by whoever asks for the rows."""

    path: Path
    groups: range
    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Reads the row groups, one after another."""
        number = self.number
        with _open(self.path, _metadata(self.path, *_state(self.path))) as file:
            for batch in file.iter_batches(MOST_BATCH_ROWS, row_groups=list(self.groups)):
                yield from _rows(batch, number)
                number += len(batch)


@dataclass
class Batch:
    """Rows of a large row group, read already."""

    batch: pyarrow.RecordBatch = field(repr=False)
    number: int

    def rows(self) -> Iterator[Row | Broken]:
        """Yields the rows."""
        return _rows(self.batch, self.number)


def read_parquet(path: Path, format: FileFormat) -> Iterator[Block]:
    """Yields the blocks of a parquet file.

    Raises:
        UserError: it is no parquet file, or cut off.
    """
    number, pending, size = 1, range(0, 0), 0
    first = number
    with _open(path, None) as file:
        metadata = file.metadata
        for group in range(metadata.num_row_groups):
            rows, bytes_ = metadata.row_group(group).num_rows, _group_bytes(metadata, group)
            if pending and size + bytes_ > BLOCK_BYTES:
                yield RowGroups(path, pending, first)
                pending = range(0, 0)
            if bytes_ > LARGEST_GROUP:
                yield from _batches(file, group, number, max(1, BLOCK_BYTES * rows // bytes_))
            elif pending:
                pending, size = range(pending.start, group + 1), size + bytes_
            else:
                pending, size, first = range(group, group + 1), bytes_, number
            number += rows
    if pending:
        yield RowGroups(path, pending, first)


def _group_bytes(metadata: Any, group: int) -> int:
    return max(1, int(metadata.row_group(group).total_byte_size))


def _batches(
    file: pyarrow.parquet.ParquetFile, group: int, number: int, rows: int
) -> Iterator[Batch]:
    for batch in file.iter_batches(min(rows, MOST_BATCH_ROWS), row_groups=[group]):
        yield Batch(batch, number)
        number += len(batch)


def _rows(batch: pyarrow.RecordBatch, number: int) -> Iterator[Row | Broken]:
    step = SLICE_ROWS if batch.nbytes > BLOCK_BYTES else max(1, len(batch))
    for start in range(0, len(batch), step):
        for values in batch.slice(start, step).to_pylist():
            yield Row(number, values)
            number += 1


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=2)
def _metadata(path: Path, modified: int, size: int) -> Any:
    """Returns the footer of a file in the state that it was in."""
    with _open(path, None) as file:
        return file.metadata


def _open(path: Path, metadata: Any) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(
            path, metadata=metadata, pre_buffer=False, buffer_size=1 << 20
        )
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path} is not a parquet file, or not a whole one ({error}). Fetch it again."
        ) from None
