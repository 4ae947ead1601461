"""Fetches the first rows of a remote parquet file, only the needed columns and no other bytes."""

import logging
from pathlib import Path

import pyarrow.parquet

from tohum.fetch.nested_columns import top_columns
from tohum.sources.remote_file import RemoteFile
from tohum.sources.remote_parquet import RemoteParquet, read_twice

BATCH_ROWS = 1024

log = logging.getLogger(__name__)


def write_first_rows(
    remote: RemoteFile, path: Path, columns: list[str] | None, rows: int
) -> tuple[int, bool]:
    """Writes at most `rows` rows to a new parquet file.

    Args:
        columns: names; for `files.blob_id`, the whole column `files` is taken. None: all.

    Returns:
        The number of rows, and whether the pages that they are from have checksums, which are then
        checked. Only a whole file has a hash that the Hub lists.

    Raises:
        UserError: it is not parquet, lacks a column, or twice comes damaged.
    """
    partial = path.with_name(path.name + ".partial")
    count, there, checked = read_twice(remote, lambda: _write(remote, partial, columns, rows))
    partial.replace(path)
    log.info("%s: %d of %d rows", path.name, count, there)
    if not checked:
        log.warning("%s: its pages have no checksums, so these rows are unverified", path.name)
    return count, checked


def _write(
    remote: RemoteFile, partial: Path, columns: list[str] | None, rows: int
) -> tuple[int, int, bool]:
    """Returns the number of rows written and there, and whether their pages have checksums."""
    source = RemoteParquet(remote)
    file, schema = source.file, source.file.schema_arrow
    top = schema.names if columns is None else top_columns(columns, schema, remote.url)
    taken, checked = 0, True
    with pyarrow.parquet.ParquetWriter(partial, _schema(file, top), compression="none") as writer:
        for batch in file.iter_batches(min(BATCH_ROWS, rows), columns=top):
            piece = batch.slice(0, rows - taken)
            writer.write_batch(piece.select(top))
            taken += len(piece)
            checked = source.have_checksums(taken, top) and checked
            if taken == rows:
                break
    return taken, file.metadata.num_rows, checked


def count_rows(remote: RemoteFile) -> int:
    """Returns the number of rows in the file, from its footer.

    Raises:
        UserError: it is not parquet, or twice comes damaged.
    """
    return read_twice(remote, lambda: int(RemoteParquet(remote).file.metadata.num_rows))


def _schema(file: pyarrow.parquet.ParquetFile, columns: list[str]) -> pyarrow.Schema:
    schema = file.schema_arrow
    return pyarrow.schema([schema.field(column) for column in columns])
