"""What followed the same text elsewhere in a file, as a second opinion on what follows now.

Files repeat themselves, and a small model neither reaches back to where nor copies as well as a
search does. So the model's distribution is mixed with the id that the copy goes on with:

    p = (1 - w) * p_model + w * p_copy,    w = 1 / (1 + (HALF / n) ** STEEPNESS)

where the last n bytes before the cursor stand elsewhere in the file too. So it is a cache model
with an unbounded history (Grave et al. 2017, https://arxiv.org/abs/1711.02604) that looks for the
longest match instead of the nearest state. `python -m benchmarks.copying` compares the weights with
the best ones.
"""

import codecs
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import AnyStr

import torch
from tokenizers import Tokenizer

HALF = 40  # bytes of a match after which the copy counts as much as the model
STEEPNESS = 1.5
LEAST_MATCH = 8  # bytes; shorter ones say little, and a search takes longer than they gain
DRAFT = 400  # bytes, or characters, that are copied before the next search; more than a line
SEARCHED = 100_000  # characters on each side of the cursor; 0.4 ms


@dataclass(frozen=True)
class Surroundings:
    """What is before the cursor in a file, and after it if that is known.

    `start` is how many characters at the end of `before` are still to be spelled (Prompt.start).
    """

    tokenizer: Tokenizer
    before: str
    after: str = ""
    start: int = 0


class Copier:
    """Follows the copy while a text is written; one for each text."""

    def __init__(self, surroundings: Surroundings, vocabulary: list[bytes]) -> None:
        before, after = surroundings.before[-SEARCHED:], surroundings.after[:SEARCHED]
        size = len(before) - surroundings.start
        self._tokenizer = surroundings.tokenizer
        self._vocabulary = vocabulary
        self._before, self._start = before[:size].encode(), before[size:].encode()
        self._after = after.encode()
        self._target: bytes | None = None  # what is written if the copy goes on being right
        self._ids: dict[int, int] = {}  # of the target, by the place where each begins
        self._match, self._seen = 0, 0

    def advice(self, written: bytes) -> tuple[int, float] | None:
        """Returns the id that the copy goes on with, and its weight; None if there is no match.

        Args:
            written: since the start that is still to be spelled, and with it.
        """
        if self._target is None or not self._follows(written):
            self._search(written)
        id = self._ids.get(len(written))
        if id is None:
            return None
        return id, weight(self._match + max(0, len(written) - self._seen))

    def _follows(self, written: bytes) -> bool:
        target = self._target or b""
        return len(written) < len(target) and target.startswith(written)

    def _search(self, written: bytes) -> None:
        """Finds the longest match of what is before, and the ids of what followed it."""
        seen = written if len(written) > len(self._start) else self._start
        text = self._before + seen
        self._target, self._ids, self._seen = b"", {}, len(seen)
        self._match, draft = longest_match(text, self._after)
        if draft:
            self._target = seen + draft
            self._ids = dict(self._spelled(self._target))

    def _spelled(self, target: bytes) -> Iterator[tuple[int, int]]:
        """Yields where each id of a text begins, and the id."""
        with suppress(UnicodeDecodeError):  # the model has written half a character
            text = codecs.getincrementaldecoder("utf-8")().decode(target)  # its end may be cut
            self._tokenizer.encode_special_tokens = True
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
            sizes = (len(self._vocabulary[id]) for id in ids)
            yield from zip(accumulate(sizes, initial=0), ids, strict=False)


def weight(match: int) -> float:
    """Returns how much a copy counts after a match of so many bytes, at least one."""
    return float(1 / (1 + (HALF / match) ** STEEPNESS))


def longest_match(text: bytes, after: bytes = b"") -> tuple[int, bytes]:
    """Returns the size of the longest end of a text that stands earlier in it or in what comes
    after, at least LEAST_MATCH or 0, and up to DRAFT bytes that follow it there.

    Of several places it is the nearest before the end, or else the first after it.
    """
    size = longest_end(text, text[:-1], LEAST_MATCH)
    behind = longest_end(text, after, LEAST_MATCH)
    if behind > size:
        place = after.find(text[len(text) - behind :]) + behind
        return behind, after[place : place + DRAFT]
    if not size:
        return 0, b""
    place = text.rfind(text[len(text) - size :], 0, len(text) - 1) + size
    return size, text[place : place + DRAFT]


def longest_end(text: AnyStr, other: AnyStr, least: int = 1) -> int:
    """Returns the size of the longest end of a text that another one contains; 0 if it is shorter
    than `least`.
    """
    size, step = 0, least
    while size + step <= len(text) and text[len(text) - size - step :] in other:
        size += step
        step *= 2
    while step and size:
        if size + step <= len(text) and text[len(text) - size - step :] in other:
            size += step
        step //= 2
    return size


def mixed(logits: torch.Tensor, id: int, share: float) -> torch.Tensor:
    """Returns the logits, (vocabulary,), of a distribution in which an id has that share of the
    probability, and the rest is distributed as before.
    """
    chances = torch.log_softmax(logits, dim=-1) + math.log1p(-share)
    chances[id] = torch.logaddexp(chances[id], torch.tensor(math.log(share)))
    return chances
