"""Training windows: a step's batch is a pure function of (seed, step), so the loader has no state.

A share of a window's text is reordered for fill-in-the-middle. What the model should not learn to
say (the user's words, the format's marks) is not a target.
"""

import logging
import math
from functools import lru_cache
from typing import Any

import numpy
import torch

from stages.train.masks import control_before, has_conversations, target_mask
from stages.train.middles import middle_window
from tohum.errors import UserError
from tohum.formats.tokens import TokenSplit
from tohum.model.loss import IGNORED

log = logging.getLogger(__name__)


def repeated(split: TokenSplit, length: int) -> TokenSplit:
    """Returns a split that is long enough for windows of `length`: a small one, several times over.

    A corpus of a few pages is too little for a good model, but no reason to stop after all the
    other stages: what is trained on it still works.
    """
    times = math.ceil(2 * length / max(1, len(split.ids)))
    if times <= 1:
        return split
    log.warning(
        "the training split has %d tokens, less than two windows of model.context_length (%d): it "
        "is taken %d times. The model can only learn it by heart; add more data for a better one.",
        len(split.ids),
        length,
        times,
    )
    starts = [
        split.offsets[:-1] + split.offsets.dtype.type(n * len(split.ids)) for n in range(times)
    ]
    end = split.offsets[-1:] * split.offsets.dtype.type(times)
    return TokenSplit(
        numpy.tile(split.ids, times), numpy.concatenate([*starts, end]), split.bytes * times
    )


class Windows:
    """Windows of `length` + 1 neighbouring ids, in a new order and from a new offset each epoch.

    Every epoch cuts the stream differently, so a token is not always at the same place in its
    window.

    Args:
        split: the token stream and where its documents start.
        length: ids in the model's context.
        seed: for the order, the offsets and the cuts of fill-in-the-middle.
        fim_share: share of the pieces of text that are reordered.

    Raises:
        UserError: the split is too small for one window.
    """

    def __init__(self, split: TokenSplit, length: int, seed: int, fim_share: float = 0) -> None:
        ids = split.ids
        self.ids = ids
        self.offsets = split.offsets
        self.length = length
        self.seed = seed
        self.fim_share = fim_share
        self.is_masked = fim_share > 0 or has_conversations(ids, split.offsets)
        self.per_epoch = (len(ids) - length) // length  # any offset below `length` leaves this many
        if self.per_epoch < 1:
            raise UserError(
                f"the training split has {len(ids)} tokens, too few for one window of "
                f"model.context_length + 1 ({length + 1}) at any offset: add more data, or "
                f"lower model.context_length to {len(ids) // 2} or less."
            )
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def batch(self, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns inputs and targets, each (count, length) of int64, of `count` windows from number
        `first` on; a target that does not count is IGNORED.
        """
        rows = numpy.zeros((count, self.length + 1), numpy.int64)
        targets = numpy.zeros((count, self.length), numpy.int64)
        for row, number in enumerate(range(first, first + count)):
            epoch, start = self._place(number)
            rows[row] = window = middle_window(
                self.ids, self.offsets, start, self.length + 1, self.seed, epoch, self.fim_share
            )
            targets[row] = window[1:]
            if self.is_masked:
                counted = target_mask(window, control_before(self.ids, self.offsets, start))
                targets[row, ~counted] = IGNORED
        return torch.from_numpy(rows[:, :-1]), torch.from_numpy(targets)

    def _place(self, number: int) -> tuple[int, int]:
        """Returns the epoch of a window and where it begins in the stream."""
        epoch, place = divmod(number, self.per_epoch)
        offset, order = self._epoch(epoch)
        return epoch, offset + int(order[place]) * self.length

    def _shuffled(self, epoch: int) -> tuple[int, numpy.ndarray[Any, Any]]:
        generator = numpy.random.default_rng([self.seed, epoch])
        return int(generator.integers(self.length)), generator.permutation(self.per_epoch)
