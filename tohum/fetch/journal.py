"""An append-only file of results in order of arrival, usable after a kill at any moment.

Each result is one write: a header (index, kind and length, little-endian, and the CRC-32 of these
and the payload) and the payload. What the operating system has accepted survives the process. A
truncated or damaged record ends the file: it and everything after it are ignored, which a warning
says.
"""

import logging
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

FIELDS = struct.Struct("<IBI")
CHECKSUM = struct.Struct("<I")
HEADER_BYTES = FIELDS.size + CHECKSUM.size

log = logging.getLogger(__name__)


def journal_path(folder: Path, number: int, writer: str = "") -> Path:
    """Returns where the journal of a segment is, or the one that a process has to itself.

    Args:
        writer: a dot and the name of that process.
    """
    return folder / f"segment-{number:08d}{writer}.journal"


class Journal:
    """The results of one segment: kind (a small number) and payload by index.

    Opening an existing file reads its index; `append` may be called from any thread, `read` from
    one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(path, flags, 0o644)
        self._places: dict[int, tuple[int, int, int]] = {}
        self._end = 0
        self._map: mmap.mmap | None = None
        for index, kind, start, length in scan(path):
            self._places[index] = (kind, start, length)
            self._end = start + length
        os.ftruncate(self._file, self._end)

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __len__(self) -> int:
        return len(self._places)

    def places(self, without: Collection[int] = ()) -> set[int]:
        """Returns the indices that have a result of any kind except those in `without`."""
        return {index for index, place in self._places.items() if place[0] not in without}

    def append(self, index: int, kind: int, payload: bytes) -> None:
        """Writes one result; a later one for the same index replaces it."""
        record = _header(index, kind, payload) + payload
        with self._lock:
            written = 0
            while written < len(record):
                written += os.write(self._file, record[written:])
            self._places[index] = (kind, self._end + HEADER_BYTES, len(payload))
            self._end += len(record)

    def read(self, index: int) -> tuple[int, bytes]:
        """Returns the kind and payload of a result."""
        kind, start, length = self._places[index]
        mapped = self._map
        if mapped is None or len(mapped) < start + length:
            mapped = self._map = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        return kind, mapped[start : start + length]

    def close(self) -> None:
        """Closes the file."""
        if self._map is not None:
            self._map.close()
        os.close(self._file)


def scan(path: Path) -> Iterator[tuple[int, int, int, int]]:
    """Yields index, kind, start and length of each complete record of a journal."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while left:
            head = file.read(HEADER_BYTES)
            if len(head) < HEADER_BYTES:
                break
            index, kind, length = FIELDS.unpack_from(head)
            payload = file.read(length) if length <= left else b""
            if len(payload) < length or head != _header(index, kind, payload):
                break
            left -= HEADER_BYTES + length
            yield index, kind, file.tell() - length, length
    if left:
        log.warning("%s is cut off or damaged: its last %d bytes are not used", path, left)


def _header(index: int, kind: int, payload: bytes) -> bytes:
    fields = FIELDS.pack(index, kind, len(payload))
    return fields + CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(fields)))
