"""Walks over the frames of a zstd file, to say in words what is wrong with it.

A frame is a header, blocks with a header of three bytes each, and perhaps a checksum of four (RFC
8878, section 3.1). Only headers are read.
"""

import mmap
from pathlib import Path
from typing import Any

import zstandard

from tohum.errors import UserError

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x2a\x4d\x18"  # after a byte from 0x50 to 0x5F; pzstd begins with such a frame
LARGEST_WINDOW = 1 << 31  # zstd's own limit: --long=31
SINGLE_SEGMENT = 0x20  # in the descriptor of a frame
RUN, RESERVED = 1, 3  # types of blocks


def is_frame(start: bytes) -> bool:
    """Returns whether a frame begins with these bytes."""
    return start.startswith(MAGIC) or _skippable(start)


def _skippable(start: bytes) -> bool:
    return start[1:4] == SKIPPABLE and start[0] >> 4 == 5


def find_fault(path: Path, window: int) -> UserError | None:
    """Returns what is wrong with the frames of a file; None if their headers are in order.

    Args:
        window: the largest window that is decoded, in bytes.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place, size = 0, len(content)
        while place < size:
            start = content[place : place + 18]
            if _skippable(start):
                place += 8 + int.from_bytes(start[4:8], "little")
                continue
            if not is_frame(start) and not MAGIC.startswith(start):
                return UserError(
                    f"{path} has {size - place:,} bytes after the end of its zstd data, which are "
                    f"not zstd: {start!r}. Something was appended to it, or its download went "
                    "wrong. Fetch it again, or keep what is whole: "
                    f"`head -c {place} {path.name} > whole`."
                )
            if fault := _header_fault(path, start, window):
                return fault
            end = _frame_end(content, place, start)
            if end is None:
                return UserError(f"{path} is damaged: a block of its zstd data. Fetch it again.")
            place = end
    if place > size:
        return UserError(
            f"{path} ends before its zstd data does: it was not copied or fetched completely. "
            "Fetch it again."
        )
    return None


def _header_fault(path: Path, start: bytes, window: int) -> UserError | None:
    if (needed := _window(start)) > window:
        advice = "Compress it again without --long"
        if needed <= LARGEST_WINDOW:
            advice = f"Raise decoder_bytes to {needed:,}, or c{advice[1:]}"
        return UserError(
            f"{path} was compressed with a window of {needed:,} bytes (zstd --long), "
            f"and decoder_bytes in conf/runtime.yaml allows {window:,}. {advice}."
        )
    try:
        header = zstandard.get_frame_parameters(start)
    except zstandard.ZstdError:
        return None  # too short for a header: cut off
    if header.dict_id:
        return UserError(
            f"{path} was compressed with a dictionary (number {header.dict_id}), which is not in "
            "it. Decompress it with that file: `zstd -d -D DICTIONARY`."
        )
    return None


def _window(start: bytes) -> int:
    """Returns the window in a frame's header (RFC 8878, 3.1.1.1.2); 0 if it has none: the content
    is a single segment, and as large.
    """
    if len(start) < 6 or start[4] & SINGLE_SEGMENT:
        return 0
    base = 1 << (10 + (start[5] >> 3))
    return base + base // 8 * (start[5] & 7)


def _frame_end(content: Any, place: int, start: bytes) -> int | None:
    """Returns where a frame ends, beyond the file if it is cut off; None if it is damaged."""
    try:
        header = zstandard.get_frame_parameters(start)
        place += zstandard.frame_header_size(start)
    except zstandard.ZstdError:
        return len(content) + 1
    last = False
    while not last:
        block = int.from_bytes(content[place : place + 3], "little")
        if place + 3 > len(content):
            return len(content) + 1
        last, kind, size = bool(block & 1), block >> 1 & 3, block >> 3
        if kind == RESERVED:
            return None
        place += 3 + (1 if kind == RUN else size)
    return place + 4 * header.has_checksum
