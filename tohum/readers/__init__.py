"""Reads rows of data files: JSONL, JSON, CSV, TSV, parquet, Arrow and workbooks."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tohum.readers.detection import describes_dataset, detect, is_data_file
from tohum.readers.json_arrays import read_array
from tohum.readers.lines import read_lines
from tohum.readers.rows import (
    BLOCK_BYTES,
    Broken,
    EmptyFileError,
    FileFormat,
    ReadLimits,
    Row,
    RowBlock,
)
from tohum.readers.tables import read_table
from tohum.readers.workbooks import read_workbook

__all__ = [
    "BLOCK_BYTES",
    "Broken",
    "EmptyFileError",
    "FileFormat",
    "ReadLimits",
    "Row",
    "RowBlock",
    "describes_dataset",
    "detect",
    "is_data_file",
    "read_blocks",
]


def read_blocks(
    path: Path, format: FileFormat, needed: Iterable[tuple[str, ...]] | None = None
) -> Iterator[RowBlock]:
    """Yields a file in blocks of about BLOCK_BYTES of input, whose rows a worker can parse.

    Args:
        needed: the paths wanted of each row, the only ones read from parquet; None: all.

    Raises:
        UserError: the file is damaged, or not of this format.
    """
    match format.format:
        case "jsonl":
            return read_lines(path, format)
        case "json":
            return read_array(path, format)
        case "csv" | "tsv":
            return read_table(path, format)
        case "excel":
            return read_workbook(path, format)
        case "parquet":
            from tohum.readers.parquet import read_parquet  # pyarrow: 0.1 s in every worker

            return read_parquet(path, format, needed)
        case "arrow":
            from tohum.readers.arrow import read_arrow

            return read_arrow(path, format)
    raise ValueError(f"no reader of the format {format.format}")
