"""Fetches the first rows of a remote parquet file, only the needed columns and no other bytes."""

import io
import logging
from pathlib import Path

import pyarrow.parquet

from tohum.errors import UserError
from tohum.fetch.nested_columns import top_columns
from tohum.sources.remote_file import BLOCK, RemoteFile, RemoteReader

BATCH_ROWS = 1024

log = logging.getLogger(__name__)


def write_first_rows(remote: RemoteFile, path: Path, columns: list[str] | None, rows: int) -> int:
    """Writes at most `rows` rows to a new parquet file and returns their number.

    Args:
        columns: names; for `files.blob_id`, the whole column `files` is taken. None: all.

    Raises:
        UserError: it is not parquet, or lacks a column.
    """
    file = _open(remote)
    schema = file.schema_arrow
    top = schema.names if columns is None else top_columns(columns, schema, path.name)
    partial = path.with_name(path.name + ".partial")
    left = rows
    with pyarrow.parquet.ParquetWriter(partial, _schema(file, top), compression="none") as writer:
        for batch in file.iter_batches(min(BATCH_ROWS, rows), columns=top):
            writer.write_batch(batch.slice(0, left).select(top))
            left -= min(left, len(batch))
            if not left:
                break
    partial.replace(path)
    log.info("%s: %d of %d rows", path.name, rows - left, file.metadata.num_rows)
    return rows - left


def count_rows(remote: RemoteFile) -> int:
    """Returns the number of rows in the file, from its footer.

    Raises:
        UserError: it is not parquet.
    """
    return int(_open(remote).metadata.num_rows)


def _open(remote: RemoteFile) -> pyarrow.parquet.ParquetFile:
    reader = io.BufferedReader(RemoteReader(remote), BLOCK)
    try:
        return pyarrow.parquet.ParquetFile(reader, pre_buffer=False, buffer_size=1 << 20)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{remote.url} is not a parquet file: {error}") from None


def _schema(file: pyarrow.parquet.ParquetFile, columns: list[str]) -> pyarrow.Schema:
    schema = file.schema_arrow
    return pyarrow.schema([schema.field(column) for column in columns])
