"""Reads compressed files, recognised by their first bytes, in chunks.

No chunk is longer than CHUNK_BYTES, whatever a file unpacks to: 98 kB of zstd can be 3 GB of line
feeds.
"""

import bz2
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zstandard
from isal import igzip_lib

from tohum.errors import UserError
from tohum.readers.rows import DECODER_BYTES
from tohum.readers.zstd_frames import LARGEST_WINDOW, find_fault, is_frame

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 1 << 16  # of input
MAGIC = {
    b"\x1f\x8b": "gzip",  # RFC 1952
    b"\x28\xb5\x2f\xfd": "zstd",  # RFC 8878
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
DAMAGED: Any = (igzip_lib.IsalError, lzma.LZMAError, zstandard.ZstdError)
SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2"}
TOO_LARGE = "Memory usage limit exceeded"  # liblzma's words


def find_compression(path: Path) -> str | None:
    """Returns how a file is compressed, by its first bytes; None if it is not."""
    with path.open("rb") as file:
        return compression_of(file.read(6))


def compression_of(start: bytes) -> str | None:
    """Returns how a file that begins with `start` (6 bytes) is compressed; None if it is not."""
    if is_frame(start):
        return "zstd"
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)


def read_chunks(
    path: Path, compression: str | None, memory: int = DECODER_BYTES
) -> Iterator[bytes]:
    """Yields the decompressed bytes of a file, in chunks of at most CHUNK_BYTES.

    Args:
        memory: how many bytes the decoder may use.

    Raises:
        UserError: it is cut off or damaged, something follows its end, or it can't be decompressed
            with this much memory or without a dictionary.
    """
    try:
        if compression is None:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        elif compression == "zstd":
            yield from _read_zstd(path, memory)
        else:
            yield from _read_members(path, compression, memory)
    except EOFError:
        raise UserError(
            f"{path} ends before its {compression} data does: it was not copied or "
            "fetched completely. Fetch it again."
        ) from None
    except DAMAGED as error:
        raise _fault(path, compression, error, memory) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _fault(path, compression, error, memory) from None  # bz2's error for damage


def _fault(path: Path, compression: str | None, error: Exception, memory: int) -> UserError:
    if str(error) == TOO_LARGE:
        return UserError(
            f"{path} needs more memory to be decompressed than the {memory:,} bytes of "
            "decoder_bytes in conf/runtime.yaml: it was compressed with a large dictionary, as by "
            "`xz --lzma2=dict=`. Raise decoder_bytes, or compress it again with less."
        )
    return UserError(
        f"{path} is damaged: its {compression} data ends in '{error}'. Fetch it again."
    )


def _read_members(path: Path, compression: str, memory: int) -> Iterator[bytes]:
    """Yields the content of every member (stream); zeros after the last are padding, as of tapes.

    Raises:
        EOFError: the last member is cut off.
    """
    magic = next(magic for magic, name in MAGIC.items() if name == compression)
    with path.open("rb") as file:
        rest = file.read(PIECE_BYTES)
        while rest:
            if not rest.startswith(magic):
                raise _after_the_end(path, compression, file.tell() - len(rest))
            decoder = _decoder(compression, memory)
            while not decoder.eof:
                if decoder.needs_input and not rest and not (rest := file.read(PIECE_BYTES)):
                    raise EOFError
                chunk, rest = decoder.decompress(rest, CHUNK_BYTES), b""
                if chunk:
                    yield chunk
            rest = _next_member(decoder.unused_data, lambda: file.read(PIECE_BYTES))


def _decoder(compression: str, memory: int) -> Any:
    if compression == "gzip":
        return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return lzma.LZMADecompressor(memlimit=memory) if compression == "xz" else bz2.BZ2Decompressor()


def _next_member(rest: bytes, read: Callable[[], bytes]) -> bytes:
    """Returns what follows a member, without padding; enough of it to be recognised."""
    rest = rest.lstrip(b"\0")
    while len(rest) < len(max(MAGIC, key=len)) and (piece := read()):
        rest = rest + piece if rest else piece.lstrip(b"\0")
    return rest


def _after_the_end(path: Path, compression: str, place: int) -> UserError:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(place)
        start = file.read(20)
    return UserError(
        f"{path} has {size - place:,} bytes after the end of its {compression} data, which are not "
        f"{compression}: {start!r}. Something was appended to it, or its download went wrong. "
        f"Fetch it again, or keep what is whole: `head -c {place} {path.name} > whole`."
    )


def _read_zstd(path: Path, memory: int) -> Iterator[bytes]:
    """Yields the content of every frame. What the decoder accepts, a frame that is cut off among
    it, is checked when all of it was read.
    """
    window = min(memory, LARGEST_WINDOW)
    decompressor = zstandard.ZstdDecompressor(max_window_size=window)
    try:
        with (
            path.open("rb") as file,
            decompressor.stream_reader(file, read_across_frames=True) as content,
        ):
            while chunk := content.read(CHUNK_BYTES):
                yield chunk
    except zstandard.ZstdError:
        if fault := find_fault(path, window):
            raise fault from None
        raise
    if fault := find_fault(path, window):
        raise fault
