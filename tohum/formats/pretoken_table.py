"""data/pretokens: the (pretoken, count) table.

pretokens.parquet   pretoken (binary, ascending), count (int64); uncompressed, in groups of
                    GROUP_ROWS rows, or of fewer if the pretokens have more than GROUP_BYTES bytes,
                    so that its bytes depend on its content and the pinned pyarrow only
meta.json           the pattern, totals, the table's SHA-256, the hash of the jsonl manifest
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet

from tohum.files import check_files, file_sha256, read_json, write_json
from tohum.kernels.arrays import Array

TABLE = "pretokens.parquet"
META = "meta.json"
SCHEMA = pyarrow.schema([("pretoken", pyarrow.binary()), ("count", pyarrow.int64())])
BATCH_ROWS = 1 << 13
GROUP_ROWS = 1 << 20
GROUP_BYTES = 1 << 30  # Arrow's offsets into the bytes of a group have 31 bits


@dataclass
class PretokenRows:
    """Neighbouring rows of a table: the bytes of all pretokens, one after another, uint8; the
    length of each, int32; and its count, int64.
    """

    data: Array
    lengths: Array
    counts: Array

    def rows(self) -> Iterator[tuple[bytes, int]]:
        """Yields each pretoken and its count."""
        data, end = self.data.tobytes(), 0
        for length, count in zip(self.lengths.tolist(), self.counts.tolist(), strict=True):
            yield data[end : end + length], count
            end += length


def rows_of(rows: Iterable[tuple[bytes, int]]) -> PretokenRows:
    """Returns pretokens and their counts as rows."""
    pretokens, counts = zip(*rows, strict=True) if (rows := list(rows)) else ((), ())
    return PretokenRows(
        numpy.frombuffer(b"".join(pretokens), numpy.uint8),
        numpy.array(list(map(len, pretokens)), numpy.int32),
        numpy.array(counts, numpy.int64),
    )


def join(batches: Iterable[PretokenRows]) -> PretokenRows:
    """Returns the rows of all batches as one."""
    parts = [rows_of([]), *batches]
    return PretokenRows(
        numpy.concatenate([part.data for part in parts]),
        numpy.concatenate([part.lengths for part in parts]),
        numpy.concatenate([part.counts for part in parts]),
    )


def write_table(
    folder: Path, batches: Iterable[PretokenRows], facts: dict[str, Any]
) -> dict[str, Any]:
    """Writes the table, whose rows come in ascending order, and its meta.json with `facts`; returns
    the latter's content.
    """
    totals = {"pretokens": 0, "different_pretokens": 0, "bytes": 0}
    with pyarrow.parquet.ParquetWriter(
        folder / TABLE, SCHEMA, compression="none", use_dictionary=False
    ) as writer:
        for group in _groups(batches):
            totals["pretokens"] += int(group.counts.sum())
            totals["different_pretokens"] += len(group.counts)
            totals["bytes"] += int((group.lengths * group.counts).sum())
            writer.write_table(_to_arrow(group), row_group_size=GROUP_ROWS)
    meta = {**facts, **totals, "sha256": file_sha256(folder / TABLE)}
    write_json(folder / META, meta)
    return meta


def _groups(batches: Iterable[PretokenRows]) -> Iterator[PretokenRows]:
    """Yields the same rows in the largest groups allowed; an empty one if there are no rows."""
    held: list[PretokenRows] = []
    rows = size = groups = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + len(batch.counts), size + len(batch.data)
        while rows >= GROUP_ROWS or size > GROUP_BYTES:
            group, rest = _split(join(held))
            yield group
            held, rows, size, groups = [rest], len(rest.counts), len(rest.data), groups + 1
    if rows or not groups:
        yield join(held)


def _split(joined: PretokenRows) -> tuple[PretokenRows, PretokenRows]:
    """Returns the rows of one group, at least one row, and the rest."""
    ends = numpy.cumsum(joined.lengths, dtype=numpy.int64)
    fitting = int(numpy.searchsorted(ends, GROUP_BYTES, "right"))
    rows = max(1, min(GROUP_ROWS, fitting))
    size = int(ends[rows - 1])
    return (
        PretokenRows(joined.data[:size], joined.lengths[:rows], joined.counts[:rows]),
        PretokenRows(joined.data[size:], joined.lengths[rows:], joined.counts[rows:]),
    )


def _to_arrow(batch: PretokenRows) -> pyarrow.Table:
    ends = numpy.zeros(len(batch.lengths) + 1, numpy.int32)
    numpy.cumsum(batch.lengths, out=ends[1:])
    buffers = [
        None,
        pyarrow.py_buffer(ends),
        pyarrow.py_buffer(numpy.ascontiguousarray(batch.data)),
    ]
    pretokens = pyarrow.Array.from_buffers(pyarrow.binary(), len(batch.lengths), buffers)
    return pyarrow.table([pretokens, pyarrow.array(batch.counts)], schema=SCHEMA)


def read_table(folder: Path) -> Iterator[PretokenRows]:
    """Yields the rows in ascending order of the pretokens, BATCH_ROWS at a time."""
    # Without these three, pyarrow takes 20 MB more memory, whatever the size of the table.
    with pyarrow.parquet.ParquetFile(folder / TABLE, pre_buffer=False, buffer_size=1 << 20) as file:
        for rows in file.iter_batches(BATCH_ROWS, use_threads=False):
            _, ends, data = rows["pretoken"].buffers()
            bounds = numpy.frombuffer(ends, numpy.int32)[rows["pretoken"].offset :][: len(rows) + 1]
            yield PretokenRows(
                numpy.frombuffer(data, numpy.uint8)[bounds[0] : bounds[-1]],
                numpy.diff(bounds),
                rows["count"].to_numpy(),
            )


def read_meta(folder: Path) -> dict[str, Any]:
    """Returns the table's meta.json.

    Raises:
        UserError: it is missing or damaged.
    """
    with read_json(folder / META, "pretokens") as meta:
        return meta


def check_table(folder: Path) -> None:
    """Checks the table against its meta.json, at 0.7 s a gigabyte.

    Raises:
        UserError: it is missing or damaged.
    """
    with read_json(folder / META, "pretokens") as meta:
        hashes = {folder / TABLE: meta["sha256"]}
    check_files(hashes, "pretokens")
