"""Samples the first rows of a file, and counts or estimates all rows with little reading."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
import pyarrow.parquet

from tohum.readers import BLOCK_BYTES, Broken, FileFormat, Row, RowBlock, detect, read_blocks
from tohum.readers.arrow import count_arrow_rows
from tohum.readers.compression import read_chunks
from tohum.readers.line_blocks import count_lines
from tohum.readers.tables import ROW_BYTES

COUNTED_BYTES = 64 << 20  # a file up to this size is read whole to count its rows
COUNTED_LINES_BYTES = 4 << 30  # line ends are counted at 3 GB/s


@dataclass
class Sample:
    """The first rows of a file. `types` are those of its schema, if any; `total` says how many rows
    there are, and whether that is exact.
    """

    name: str
    size: int
    format: FileFormat
    rows: list[Row] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    total: str = ""
    types: dict[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """The number of rows looked at."""
        return len(self.rows) + len(self.broken)

    def add(self, row: Row | Broken) -> None:
        """Adds the next row."""
        if isinstance(row, Row):
            self.rows.append(row)
        else:
            self.broken.append(row)

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row.values)) or [
            *self.types
        ]


def sample_file(path: Path, rows: int) -> Sample:
    """Reads the first `rows` rows of a file.

    Raises:
        UserError: it can't be read.
    """
    format = detect(path)
    sample = Sample(str(path), path.stat().st_size, format)
    take_rows(sample, read_blocks(path, format), rows)
    sample.total = _count(path, format, sample.size)
    if format.format == "parquet":
        sample.types = schema_types(pyarrow.parquet.read_schema(path))
    return sample


def take_rows(sample: Sample, blocks: Iterator[RowBlock], rows: int) -> None:
    """Adds the first `rows` rows, and the broken ones among them."""
    every = itertools.chain.from_iterable(block.rows() for block in blocks)
    for row in itertools.islice(every, rows):
        sample.add(row)


def schema_types(schema: pyarrow.Schema) -> dict[str, str]:
    """Returns the type of each column in parquet."""
    return {field.name: str(field.type) for field in schema}


def _count(path: Path, format: FileFormat, size: int) -> str:
    if format.format == "parquet":
        return f"{pyarrow.parquet.read_metadata(path).num_rows:,} rows (exact)"
    if size <= COUNTED_BYTES or format.format == "excel":
        return _count_all(path, format)
    if format.compression:
        return "rows not counted (compressed, and large)"
    if format.format == "jsonl" and size <= COUNTED_LINES_BYTES:
        lines = sum(count_lines(chunk) for chunk in read_chunks(path, None))
        return f"{lines:,} lines (exact)"
    if format.format == "arrow":
        return f"{count_arrow_rows(path):,} rows (exact)"
    found, read = list(next(read_blocks(path, format)).rows()), BLOCK_BYTES
    if format.format in ("csv", "tsv") and all(isinstance(row, Row) for row in found):
        # a block of a table is bounded by the memory that its rows take
        ends = sum(len(row.values) for row in found if isinstance(row, Row))  # each of a cell
        width = len("aa".encode(format.encoding)) - len("a".encode(format.encoding))
        read = (BLOCK_BYTES - len(found) * ROW_BYTES + ends) * width
    rows = len(found) * size / read
    return f"about {rows:,.0f} rows (an estimate by the first {max(1, read >> 20)} MiB)"


def _count_all(path: Path, format: FileFormat) -> str:
    """Counts the rows of a whole file, and says where the first broken one is."""
    rows = broken = first = 0
    for row in itertools.chain.from_iterable(block.rows() for block in read_blocks(path, format)):
        rows += 1
        if isinstance(row, Broken):
            broken, first = broken + 1, first or row.number
    count = f"{rows:,} rows (exact)"
    if broken:
        count += f", {broken:,} of them broken, the first at {first:,}"
    return count
