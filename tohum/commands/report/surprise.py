"""Where a model is surprised: the held-out files it predicts best and worst, token by token."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import orjson
import torch

from tohum.commands.report.readable_tokens import ReadablePiece, pieces_of
from tohum.errors import UserError
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokens import TokenSplit
from tohum.model.network import Network
from tohum.model.scoring import document_windows
from tohum.model.weights import read_facts, read_network

LEAST_BYTES = 400  # of a file that is shown: the best of all may be an empty stub
SCORED_TOKENS = 1024  # of a file, from its start, among which its passage is looked for
DOTS = 2000  # of the chart: files that are evenly spaced in the list


@dataclass
class HeldOutFile:
    """A validation document: its place in the split, its path or what else is known of it."""

    number: int
    name: str | None
    source: str | None
    bytes: int
    bits_per_byte: float


@dataclass
class ScoredPassage:
    """A part of a file in pieces, and the bits per byte of this part."""

    file: HeldOutFile
    pieces: list[ReadablePiece]
    bits_per_byte: float


def read_held_out(path: Path) -> list[HeldOutFile]:
    """Returns the documents of models/lm/validation.jsonl that have text, best predicted first;
    none if the file is missing.
    """
    if not path.is_file():
        return []
    files = []
    for number, line in enumerate(path.read_bytes().splitlines()):
        known = orjson.loads(line)
        if known["bits_per_byte"] is not None:
            files.append(
                HeldOutFile(
                    number,
                    known.get("path") or known.get("id"),
                    known.get("source"),
                    known["bytes"],
                    known["bits_per_byte"],
                )
            )
    return sorted(files, key=lambda file: (file.bits_per_byte, file.number))


def best_and_worst(
    files: list[HeldOutFile], count: int
) -> tuple[list[HeldOutFile], list[HeldOutFile]]:
    """Returns the `count` best predicted files and the worst, worst first; none is in both, and
    short ones are passed by where there are others.
    """
    long = [file for file in files if file.bytes >= LEAST_BYTES]
    listed = long if len(long) >= 2 * count else files
    best = listed[: min(count, (len(listed) + 1) // 2)]
    return best, listed[len(best) :][::-1][:count]


def load_network(root: Path) -> Network | None:
    """Returns the trained network, or None if it is not here or not of these tokens."""
    weights, tokens = root / "models" / "weights", root / "data" / "tokens"
    try:
        return read_network(weights, read_facts(weights, tokens))
    except UserError:
        return None


def scored_passage(
    network: Network, split: TokenSplit, vocabulary: list[bytes], file: HeldOutFile, tokens: int
) -> ScoredPassage:
    """Returns the passage of a file whose bits per byte are most like those of the whole.

    Args:
        network: in evaluation mode.
        split: of the file.
        vocabulary: the bytes of each id.
        file: the file.
        tokens: the length of the passage.
    """
    ids = split.document(file.number)[: 1 + max(SCORED_TOKENS, tokens)]
    bits, tops, chances = token_bits(network, ids)
    own = ids[1:].astype(numpy.int64)
    sizes = numpy.array([len(vocabulary[id]) for id in own])
    first = _most_typical(bits, sizes, tokens, file.bits_per_byte)
    first = _line_start(own, vocabulary, first)
    chosen = slice(first, first + tokens)
    pieces = pieces_of(
        own[chosen].tolist(),
        vocabulary,
        bits[chosen].tolist(),
        zip(tops[chosen].tolist(), chances[chosen].tolist(), strict=True),
    )
    size = max(1, int(sizes[chosen].sum()))
    return ScoredPassage(file, pieces, float(bits[chosen].sum()) / size)


@torch.inference_mode()
def token_bits(
    network: Network, ids: numpy.ndarray[Any, Any]
) -> tuple[numpy.ndarray[Any, Any], numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]:
    """Returns what a network makes of a document, <|endoftext|> first, for each id after that: the
    bits it needs, the likeliest id, and its probability; (ids - 1,) each.

    Every id is predicted from as much before it as in `tohum.model.scoring`.
    """
    bits, tops, chances = [], [], []
    for window in document_windows(ids, network.config.context_length):
        given = torch.from_numpy(window.ids.astype(numpy.int64)).to(network.embedding.device)
        hidden = network.hidden(given[None, :-1])[0, -window.scored :]
        logs = torch.log_softmax((hidden @ network.embedding.T).float(), dim=-1)
        best = logs.max(dim=-1)
        needed = -logs.gather(1, given[-window.scored :, None])[:, 0] / math.log(2)
        bits.append(needed.cpu().double().numpy())
        tops.append(best.indices.cpu().numpy())
        chances.append(best.values.exp().cpu().numpy())
    if not bits:
        return numpy.zeros(0), numpy.zeros(0, numpy.int64), numpy.zeros(0)
    return numpy.concatenate(bits), numpy.concatenate(tops), numpy.concatenate(chances)


def _most_typical(
    bits: numpy.ndarray[Any, Any], sizes: numpy.ndarray[Any, Any], tokens: int, wanted: float
) -> int:
    """Returns the start of so many tokens whose bits per byte are closest to `wanted`."""
    if len(bits) <= tokens:
        return 0
    ends = numpy.cumsum(numpy.stack([bits, sizes]), axis=1)
    starts = numpy.pad(ends, ((0, 0), (1, 0)))
    needed, length = starts[:, tokens:] - starts[:, :-tokens]
    return int(numpy.abs(needed / numpy.maximum(length, 1) - wanted).argmin())


def _line_start(ids: numpy.ndarray[Any, Any], vocabulary: list[bytes], first: int) -> int:
    """Returns the last place up to `first` after a line's end, or 0."""
    for place in range(first, 0, -1):
        before = int(ids[place - 1])
        if before < len(SPECIAL_TOKENS) or vocabulary[before].rstrip(b" \t").endswith(b"\n"):
            return place
    return 0
