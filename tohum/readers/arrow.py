"""Reads Arrow's IPC files and streams: what `save_to_disk` of `datasets` writes, and Feather.

A file is mapped, not read, and its batches are passed on in slices of about BLOCK_BYTES.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow

from tohum.errors import UserError
from tohum.readers.parquet import Batch
from tohum.readers.rows import BLOCK_BYTES, FileFormat, RowBlock

FILE_MAGIC = b"ARROW1"  # Arrow Columnar Format, "IPC File Format"; a stream has none


def read_arrow(path: Path, format: FileFormat) -> Iterator[RowBlock]:
    """Yields the blocks of an Arrow file.

    Raises:
        UserError: it is not one, or it is cut off.
    """
    number = 1
    try:
        for batch in _batches(path):
            step = max(1, BLOCK_BYTES * len(batch) // max(1, batch.nbytes))
            for start in range(0, len(batch), step):
                piece = batch.slice(start, step)
                yield Batch(piece, number)
                number += len(piece)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def count_arrow_rows(path: Path) -> int:
    """Returns the number of rows; their values stay on the disk.

    Raises:
        UserError: as `read_arrow`.
    """
    try:
        return sum(map(len, _batches(path)))
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is not an Arrow file, or not a complete one ({error}). Fetch it again."
    )


def _batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    with pyarrow.memory_map(str(path)) as file:
        if file.read(len(FILE_MAGIC)) == FILE_MAGIC:
            with pyarrow.ipc.open_file(file) as reader:
                for place in range(reader.num_record_batches):
                    yield reader.get_batch(place)
            return
        file.seek(0)
        with pyarrow.ipc.open_stream(file) as stream:
            yield from stream
