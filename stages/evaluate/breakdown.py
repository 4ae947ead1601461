"""Bits per byte of each validation document, and by source and language.

data/tokens/val.documents.jsonl describes the validation documents: one JSON object per line, in the
order of the split, with id, source, path and language. Without it, there is only the figure for all
of them. models/lm/validation.jsonl has a line for each of them in the same order: what is known
about it, its bytes of text, and its bits per byte, null for a document without text.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy
import orjson

from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.formats.tokens import VALIDATION_DOCUMENTS, TokenSplit
from tohum.model.network import Network
from tohum.model.scoring import document_windows, window_nats


def read_documents(tokens: Path, count: int) -> list[dict[str, Any]] | None:
    """Returns what is known about each validation document, or None without the file.

    Raises:
        UserError: there are more or fewer lines than documents.
    """
    path = tokens / VALIDATION_DOCUMENTS
    if not path.is_file():
        return None
    documents = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    if len(documents) != count:
        raise UserError(
            f"{path} has {len(documents)} lines for {count} validation documents. Run `dvc repro "
            "--force --single-item encode`."
        )
    return documents


def document_bits(
    network: Network, split: TokenSplit, batch_tokens: int
) -> numpy.ndarray[Any, Any]:
    """Returns the bits that the network needs for each document, (documents,) of float64.

    Args:
        network: on the device that computes.
        split: the documents.
        batch_tokens: tokens computed at once; at least one whole window.
    """
    length = network.config.context_length
    windows = [
        document_windows(split.document(number), length) for number in range(len(split.offsets) - 1)
    ]
    listed = [window for document in windows for window in document]
    device = network.embedding.device
    nats = window_nats(network, listed, max(1, batch_tokens // length), device)
    numbers = numpy.repeat(numpy.arange(len(windows)), [len(document) for document in windows])
    return numpy.bincount(numbers, nats, len(windows)) / math.log(2)


def document_bytes(split: TokenSplit, sizes: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Returns the bytes of text in each document, (documents,) of int64.

    Args:
        split: the documents.
        sizes: the bytes that each id stands for, from `token_sizes`.
    """
    documents = range(len(split.offsets) - 1)
    return numpy.array([sizes[split.document(number)].sum() for number in documents], numpy.int64)


def write_document_figures(
    path: Path,
    documents: list[dict[str, Any]] | None,
    bits: numpy.ndarray[Any, Any],
    size: numpy.ndarray[Any, Any],
) -> None:
    """Writes models/lm/validation.jsonl.

    Args:
        path: the file.
        documents: what is known about each, of `read_documents`.
        bits: of each document, (documents,).
        size: bytes of each document, (documents,).
    """
    with atomic_write(path) as file:
        for known, needed, length in zip(documents or [{}] * len(bits), bits, size, strict=True):
            figure = round(float(needed / length), 6) if length else None
            line = {**known, "bytes": int(length), "bits_per_byte": figure}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def by_name(
    names: Iterable[str | None], bits: numpy.ndarray[Any, Any], size: numpy.ndarray[Any, Any]
) -> dict[str, float]:
    """Returns the bits per byte of the documents under each name, in the order of the names.

    Args:
        names: the name of each document; without one, it counts as "other".
        bits: of each document, (documents,).
        size: bytes of each document, (documents,).
    """
    labels = numpy.array([name or "other" for name in names])
    found = {}
    for name in sorted(set(labels.tolist())):
        mine = labels == name
        if size[mine].sum():
            found[name] = round(float(bits[mine].sum() / size[mine].sum()), 6)
    return found
