"""What the model writes while it trains, so that a person sees it learn: the same piece of a
validation document each time, and its likeliest continuation.

Nothing random is drawn, so the weights are the same to the byte with and without samples.
"""

import json
import time

import numpy
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from stages.train.masks import ASSISTANT_ID, document_at
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokenizer import token_bytes
from tohum.formats.tokens import TokenSplit
from tohum.model.network import Network

SEARCHED = 1 << 20  # ids at a time
OPENING = 32  # ids of a text that are given, at most
WRITTEN = 24  # ids at most
SHOWN = 60  # last characters of the piece
SHARE = 0.01  # of the run's time that samples may take
FIRST_SECONDS = 0.05  # that the first is thought to take: two milliseconds an id on two cores


class Glimpses:
    """Continues a piece of a validation document.

    Args:
        network: not sharded, on any device.
        validation: the documents held out.
        tokenizer: of the tokens.
    """

    def __init__(self, network: Network, validation: TokenSplit, tokenizer: Tokenizer) -> None:
        self.network = network
        self.opening = opening(validation)
        self.vocabulary = token_bytes(tokenizer)
        self.spent, self.last = 0.0, FIRST_SECONDS

    def due(self, seconds: float) -> bool:
        """Whether another one keeps samples within their SHARE of a run of so many seconds."""
        return self.spent + self.last <= SHARE * seconds

    def line(self) -> str:
        """Returns the opening and what the model writes after it, on one line."""
        started = time.monotonic()
        written = self._written()
        self.last = time.monotonic() - started
        self.spent += self.last
        return f"{self._quoted(self.opening, SHOWN)} -> {self._quoted(written)}"

    @torch.no_grad()
    def _written(self) -> list[int]:
        """Returns the likeliest ids, up to a special token or WRITTEN of them."""
        device, length = self.network.embedding.device, self.network.config.context_length
        ids = list(self.opening)
        while len(ids) < len(self.opening) + WRITTEN:
            seen = torch.tensor([ids[-length:]], device=device)
            with torch.compiler.set_stance("force_eager"):  # lengths vary; see window_nats
                last = self.network.hidden(seen)[0, -1]
            id = int(functional.linear(last, self.network.embedding.to(last)).argmax())
            if id < len(SPECIAL_TOKENS):
                break
            ids.append(id)
        return ids[len(self.opening) :]

    def _quoted(self, ids: list[int], most: int | None = None) -> str:
        text = b"".join(self.vocabulary[id] for id in ids).decode("utf-8", "replace")
        return json.dumps(text[-most:] if most else text, ensure_ascii=False)


def opening(split: TokenSplit) -> list[int]:
    """Returns the ids to continue: the first question of a conversation up to where its answer
    begins or, where no document is one, a few ids from the middle of the first text: texts begin
    with the same licences and imports.
    """
    for start in range(0, len(split.ids), SEARCHED):
        found = numpy.flatnonzero(split.ids[start : start + SEARCHED] == ASSISTANT_ID)
        if len(found):
            end = start + int(found[0]) + 1
            number = document_at(split.offsets, end - 1)
            question: list[int] = split.ids[int(split.offsets[number]) : end].tolist()
            return question
    first: list[int] = split.document(0).tolist()
    start = len(first) // 2
    return first[start : start + OPENING]
