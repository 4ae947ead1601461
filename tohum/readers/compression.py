"""Reads compressed files, recognised by their first bytes, in chunks."""

import bz2
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard
from isal import igzip, igzip_lib

from tohum.errors import UserError

CHUNK_BYTES = 1 << 20
ZSTD_CHUNK_BYTES = 1 << 16  # of input: repetitive text becomes a thousand times larger
MAGIC = {
    b"\x1f\x8b": "gzip",  # RFC 1952
    b"\x28\xb5\x2f\xfd": "zstd",  # RFC 8878
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
DAMAGED: Any = (igzip_lib.IsalError, lzma.LZMAError, zstandard.ZstdError)
SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2"}


def find_compression(path: Path) -> str | None:
    """Returns how a file is compressed, by its first bytes; None if it is not."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)


def read_chunks(path: Path, compression: str | None) -> Iterator[bytes]:
    """Yields the decompressed bytes of a file, in chunks of about CHUNK_BYTES.

    Raises:
        UserError: it is cut off or damaged.
    """
    try:
        if compression == "zstd":
            yield from _read_zstd(path)
            return
        with _open(path, compression) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except EOFError:
        raise UserError(
            f"{path} ends before its {compression} data does: it was not copied or "
            "fetched completely. Fetch it again."
        ) from None
    except DAMAGED as error:
        raise _damaged(path, compression, error) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(path, compression, error) from None  # gzip's and bz2's error for damage


def _damaged(path: Path, compression: str | None, error: Exception) -> UserError:
    return UserError(
        f"{path} is damaged: its {compression} data ends in '{error}'. Fetch it again."
    )


def _open(path: Path, compression: str | None) -> IO[bytes]:
    openers: dict[str, Any] = {"gzip": igzip.open, "xz": lzma.open, "bzip2": bz2.open}
    file: IO[bytes] = openers[compression](path, "rb") if compression else path.open("rb")
    return file


def _read_zstd(path: Path) -> Iterator[bytes]:
    """Yields the content of every frame; stream_reader would accept a truncated file."""
    with path.open("rb") as file:
        frame = zstandard.ZstdDecompressor().decompressobj()
        begun = False
        while piece := file.read(ZSTD_CHUNK_BYTES):
            while piece:
                begun = True
                if chunk := frame.decompress(piece):
                    yield chunk
                piece = b""
                if frame.eof:
                    piece = frame.unused_data
                    frame, begun = zstandard.ZstdDecompressor().decompressobj(), False
        if begun:
            raise EOFError
