"""Parquet on a server, read by Range: damage on the way is seen where its pages have checksums."""

import io
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pyarrow.parquet

from tohum.errors import UserError
from tohum.readers.parquet_damage import PARQUET_ERRORS, raise_unless_damage
from tohum.sources.remote_file import BLOCK, RemoteFile, RemoteReader

HEADER_BYTES = 32  # enough for the first four fields of a page's header
I32 = 0x15  # Thrift's compact protocol: the next field, a 32-bit number
DICTIONARY_PAGE = 4  # the number 2, in Thrift's zigzag encoding

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class RemoteParquet:
    """A parquet file on a server; `reader` has the blocks that were fetched.

    Raises one of PARQUET_ERRORS if it is not parquet, or damaged.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.reader = RemoteReader(remote)
        self.file = pyarrow.parquet.ParquetFile(
            io.BufferedReader(self.reader, BLOCK),
            pre_buffer=False,
            buffer_size=1 << 20,
            page_checksum_verification=True,
        )
        groups = self.file.metadata.num_row_groups
        self._rows = [self.file.metadata.row_group(group).num_rows for group in range(groups)]
        self._group, self._first = 0, 0

    def have_checksums(self, stop: int, columns: list[str]) -> bool:
        """Returns whether the pages of some columns have checksums.

        Looks at the row groups that begin before row `stop` and were not looked at before, and
        there at the first page of each kind: a writer gives a column's pages checksums, or none.
        """
        every = True
        while self._group < len(self._rows) and self._first < stop:
            every = self._group_has(self._group, columns) and every
            self._first += self._rows[self._group]
            self._group += 1
        return every

    def _group_has(self, group: int, columns: list[str]) -> bool:
        described = self.file.metadata.row_group(group)
        chunks = [described.column(number) for number in range(described.num_columns)]
        return all(
            self._chunk_has(chunk)
            for chunk in chunks
            if any(f"{chunk.path_in_schema}.".startswith(f"{column}.") for column in columns)
        )

    def _chunk_has(self, chunk: Any) -> bool:
        first = chunk.dictionary_page_offset
        if first and not _has_checksum(self.reader.peek(first, HEADER_BYTES)):
            return False
        header = self.reader.peek(chunk.data_page_offset, HEADER_BYTES)
        return header[1:2] != bytes([DICTIONARY_PAGE]) and _has_checksum(header)


def _has_checksum(header: bytes) -> bool:
    """Returns whether a page's header has a CRC-32: its fourth field, after type and two sizes
    (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
    """
    padded, at = header + bytes(HEADER_BYTES), 0
    for _ in range(3):
        if padded[at] != I32:
            return False
        at += 1
        while padded[at] & 0x80:  # a number's bytes but the last
            at += 1
            if at > len(header):
                return False
        at += 1
    return padded[at] == I32


def read_twice(remote: RemoteFile, read: Callable[[], Result]) -> Result:
    """Returns what `read` returns; if it finds damage, it is called once more.

    Raises:
        UserError: it found damage twice.
    """
    try:
        return read()
    except PARQUET_ERRORS as error:
        raise_unless_damage(error)
        log.warning("%s came damaged (%s); it is read once more", remote.url, error)
    try:
        return read()
    except PARQUET_ERRORS as error:
        raise_unless_damage(error)
        raise UserError(
            f"{remote.url} is not a parquet file, or a damaged one ({error}). Twice, so it is not "
            "the transfer: report it to the dataset's owners, or name other files."
        ) from None
