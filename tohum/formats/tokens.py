"""data/tokens: flat little-endian files of token ids, for training and validation.

train.bin, val.bin       ids, uint16 (uint32 above 65,536 entries); <|endoftext|> before each
                         document
train.offsets.bin, ...   uint64: where each document starts, and the total at the end
val.documents.jsonl      of each validation document, in order: id, source, path, language
origins.jsonl            where the documents came from, as in data/jsonl
meta.json                counts, dtype, hashes of these files and of the tokenizer, and the
                         provenance: sources, licences, and the hash of the raw manifest
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy

from tohum.files import check_files, read_json

SPLITS = ("train", "val")
OFFSET_DTYPE = numpy.dtype("<u8")
UINT16_ENTRIES = 65_536
COPY_BYTES = 1 << 20
VALIDATION_DOCUMENTS = "val.documents.jsonl"
ORIGINS = "origins.jsonl"


def token_dtype(vocab_size: int) -> numpy.dtype[Any]:
    """Returns the smallest of the two id types that holds every id."""
    return numpy.dtype("<u2") if vocab_size <= UINT16_ENTRIES else numpy.dtype("<u4")


class TokenWriter:
    """Appends documents to the two files of one split."""

    def __init__(self, folder: Path, split: str, dtype: numpy.dtype[Any]) -> None:
        self.dtype = dtype
        self.documents = self.tokens = self.bytes = 0
        self._tokens: IO[bytes] = (folder / f"{split}.bin").open("wb")
        self._offsets: IO[bytes] = (folder / f"{split}.offsets.bin").open("wb")

    def write(self, ids: Sequence[int] | numpy.ndarray[Any, Any], size: int) -> None:
        """Appends one document: its ids, and its size in bytes of UTF-8 text."""
        self._offsets.write(numpy.array([self.tokens], OFFSET_DTYPE).tobytes())
        self._tokens.write(numpy.array(ids, self.dtype).tobytes())
        self.documents += 1
        self.tokens += len(ids)
        self.bytes += size

    def append(self, folder: Path, split: str, size: int) -> None:
        """Appends all documents of a split that another writer has closed, with `size` bytes of
        text.
        """
        offsets = numpy.fromfile(folder / f"{split}.offsets.bin", OFFSET_DTYPE)
        self._offsets.write((offsets[:-1] + OFFSET_DTYPE.type(self.tokens)).tobytes())
        with (folder / f"{split}.bin").open("rb") as ids:
            shutil.copyfileobj(ids, self._tokens, COPY_BYTES)
        self.documents += len(offsets) - 1
        self.tokens += int(offsets[-1])
        self.bytes += size

    def close(self) -> None:
        """Writes the total and closes both files."""
        self._offsets.write(numpy.array([self.tokens], OFFSET_DTYPE).tobytes())
        self._tokens.close()
        self._offsets.close()


@dataclass
class TokenSplit:
    """One split, mapped into memory: ids (tokens,), offsets (documents + 1,), and total bytes of
    text.
    """

    ids: numpy.ndarray[Any, Any]
    offsets: numpy.ndarray[Any, Any]
    bytes: int

    def document(self, number: int) -> numpy.ndarray[Any, Any]:
        """Returns the ids of a document, <|endoftext|> first."""
        return self.ids[int(self.offsets[number]) : int(self.offsets[number + 1])]


def read_meta(folder: Path) -> dict[str, Any]:
    """Returns meta.json.

    Raises:
        UserError: it is missing or damaged.
    """
    with read_json(folder / "meta.json", "encode") as meta:
        return meta


def check_tokens(folder: Path, splits: Sequence[str] = SPLITS) -> None:
    """Checks the files of some splits against meta.json, at 0.7 s a gigabyte.

    Raises:
        UserError: one is missing or damaged.
    """
    keys = {"bin": "sha256", "offsets.bin": "offsets_sha256"}
    with read_json(folder / "meta.json", "encode") as meta:
        hashes = {
            folder / f"{split}.{suffix}": meta[split][key]
            for split in splits
            for suffix, key in keys.items()
        }
    check_files(hashes, "encode")


def read_split(folder: Path, split: str) -> TokenSplit:
    """Maps one split into memory."""
    meta = read_meta(folder)
    ids = numpy.memmap(folder / f"{split}.bin", numpy.dtype(meta["dtype"]), "r")
    offsets = numpy.fromfile(folder / f"{split}.offsets.bin", OFFSET_DTYPE)
    return TokenSplit(ids, offsets, int(meta[split]["bytes"]))
