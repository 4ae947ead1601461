"""Rows of the files that people have: JSONL, JSON, CSV, TSV and parquet, compressed or not."""

from collections.abc import Iterator
from pathlib import Path

from stages.readers.arrays import read_array
from stages.readers.columns import read_parquet
from stages.readers.detection import detect, is_data_file
from stages.readers.lines import read_lines
from stages.readers.rows import BLOCK_BYTES, Block, Broken, FileFormat, Row
from stages.readers.tables import read_table

__all__ = [
    "BLOCK_BYTES",
    "Block",
    "Broken",
    "FileFormat",
    "Row",
    "detect",
    "is_data_file",
    "read_blocks",
]

READERS = {
    "jsonl": read_lines,
    "json": read_array,
    "csv": read_table,
    "tsv": read_table,
    "parquet": read_parquet,
}


def read_blocks(path: Path, format: FileFormat) -> Iterator[Block]:
    """Yields a file in blocks of about BLOCK_BYTES of input, whose rows a worker may parse.

    Raises:
        UserError: the file is damaged, or not of this format.
    """
    return READERS[format.format](path, format)
