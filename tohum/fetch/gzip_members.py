"""Decompresses gzip as servers send it: one member or several, cut off, damaged, or a bomb."""

import logging

from isal import isal_zlib
from isal.igzip_lib import IsalError

from tohum.fetch.answers import TooLarge

MAGIC = b"\x1f\x8b"
WBITS = 31  # zlib: a gzip member with a 32 KiB window
FIRST_BLOCK = 1 << 12  # what follows a member is copied, so small members get small blocks

log = logging.getLogger(__name__)
garbage_logged = False


def gunzip(body: bytes, largest: int) -> tuple[bytes, int]:
    """Returns the joined content of all members, and the number of bytes of garbage after the last.

    Garbage is what RFC 1952 does not allow there: zeros, or anything but a complete member.

    Raises:
        TooLarge: there are more than `largest` bytes of it; no more are decompressed.
        ValueError: the first member is damaged or cut off.
    """
    content, end = _member(body, 0, largest, largest)
    if end == len(body):
        return content, 0
    pieces, size = [content], len(content)
    while body.startswith(MAGIC, end):
        try:
            content, next_end = _member(body, end, largest - size, largest)
        except ValueError:
            break
        pieces.append(content)
        size, end = size + len(content), next_end
    return b"".join(pieces), len(body) - end


def _member(body: bytes, start: int, left: int, largest: int) -> tuple[bytes, int]:
    """Returns the content of the member at `start`, at most `left` bytes, and where it ends."""
    decompressor = isal_zlib.decompressobj(WBITS)
    view = memoryview(body)
    pieces: list[bytes] = []
    block = FIRST_BLOCK if start else len(body)
    end = start
    try:
        while not decompressor.eof:
            if end == len(body):
                raise ValueError("damaged gzip: cut off")
            piece = view[end : end + block]
            content = decompressor.decompress(piece, left + 1)
            end += len(piece)
            block *= 2
            pieces.append(content)
            left -= len(content)
            if left < 0:
                raise TooLarge(f"it decompresses to more than {largest:,} bytes")
    except IsalError as error:  # type: ignore[misc]  # the stub lacks its base
        raise ValueError(f"damaged gzip: {error}") from None
    content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return content, end - len(decompressor.unused_data)


def log_garbage(name: str, size: int) -> None:
    """Logs that bytes after the members of a gzip file are ignored, once in a process."""
    global garbage_logged  # noqa: PLW0603
    if not garbage_logged:
        garbage_logged = True
        log.warning(
            "%s: %d bytes after the gzip members are ignored. Others like it are not reported.",
            name,
            size,
        )
