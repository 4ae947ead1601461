"""Bits per byte on the validation documents, a score that does not depend on the tokenizer."""

import math
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from tokenizers import Tokenizer as HuggingFaceTokenizer

from tohum.formats.tokenizer import token_bytes
from tohum.formats.tokens import TokenSplit
from tohum.model.loss import IGNORED


@dataclass
class Window:
    """A piece of a document: at most `length` + 1 ids, of which the last `scored` are to be
    predicted.
    """

    ids: numpy.ndarray[Any, Any]
    scored: int


def document_windows(ids: numpy.ndarray[Any, Any], length: int) -> list[Window]:
    """Cuts one document, <|endoftext|> first, so that every other id is scored exactly once.

    Windows overlap by half, and only new ids are scored: all but a document's first `length` ids
    are predicted from at least length / 2 ids before them.
    """
    windows = []
    done = 1  # <|endoftext|> is given
    while done < len(ids):
        end = min(len(ids), length + 1 if done == 1 else done + length // 2)
        windows.append(Window(ids[max(0, end - length - 1) : end], end - done))
        done = end
    return windows


def validation_windows(split: TokenSplit, length: int) -> list[Window]:
    """Returns the windows of all documents of a split, in order."""
    documents = len(split.offsets) - 1
    return [
        window
        for number in range(documents)
        for window in document_windows(split.document(number), length)
    ]


def sampled(windows: list[Window], tokens: int) -> list[Window]:
    """Returns evenly spaced windows of about `tokens` scored ids, for a quick look."""
    total = sum(window.scored for window in windows)
    return windows[:: max(1, total // tokens)]


def token_sizes(tokenizer: HuggingFaceTokenizer) -> numpy.ndarray[Any, Any]:
    """Returns the number of bytes of text that each id represents, (vocabulary,) of int64; 0 for a
    special token.
    """
    return numpy.array([len(token) for token in token_bytes(tokenizer)], numpy.int64)


def bits_per_byte(
    model: Any,
    windows: list[Window],
    sizes: numpy.ndarray[Any, Any],
    batch_windows: int,
    device: torch.device,
) -> float:
    """Returns the bits that the model needs for the scored ids per byte of the text that they
    represent.
    """
    nats = window_nats(model, windows, batch_windows, device)
    size = sum(int(sizes[window.ids[-window.scored :]].sum()) for window in windows)
    return float(nats.sum()) / math.log(2) / size


@torch.no_grad()
def window_nats(
    model: Any, windows: list[Window], batch_windows: int, device: torch.device
) -> numpy.ndarray[Any, Any]:
    """Returns the nats that the model needs for the scored ids of each window, (windows,) of
    float64; the model's mode is restored.

    Windows have many lengths, and compiling for each would take longer than it saves.
    """
    was_training = model.training
    model.eval()
    nats = []
    for first in range(0, len(windows), batch_windows):
        batch = windows[first : first + batch_windows]
        width = max(len(window.ids) for window in batch) - 1
        inputs = numpy.zeros((len(batch), width), numpy.int64)
        targets = numpy.full((len(batch), width), IGNORED, numpy.int64)
        for row, window in enumerate(batch):
            ids = window.ids.astype(numpy.int64)
            inputs[row, : len(ids) - 1] = ids[:-1]
            targets[row, len(ids) - 1 - window.scored : len(ids) - 1] = ids[-window.scored :]
        with torch.compiler.set_stance("force_eager"):
            losses = model(
                torch.from_numpy(inputs).to(device), torch.from_numpy(targets).to(device)
            )
        nats.append(losses.cpu().double().sum(1).numpy())
    model.train(was_training)
    return numpy.concatenate(nats)
