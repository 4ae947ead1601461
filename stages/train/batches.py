"""Training windows: the batch of a step is a pure function of (seed, step), so there is no loader
state to keep.
"""

from functools import lru_cache
from typing import Any

import numpy
import torch

from stages.errors import UserError


class Windows:
    """Windows of `length` + 1 neighbouring ids, each epoch in another order and from another
    offset.

    Every epoch cuts the stream anew, so that a token is not always at the same place in its window.

    Raises:
        UserError: the split is too small for one window.
    """

    def __init__(self, ids: numpy.ndarray[Any, Any], length: int, seed: int) -> None:
        self.ids = ids
        self.length = length
        self.seed = seed
        self.per_epoch = (len(ids) - length) // length  # any offset below `length` leaves as many
        if self.per_epoch < 1:
            raise UserError(
                f"the training split has {len(ids)} tokens, too few for one window of "
                f"model.context_length + 1 ({length + 1}) at any offset: bring more data, or "
                f"lower model.context_length to {len(ids) // 2} or less."
            )
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def batch(self, first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns inputs and targets, each (count, length) of int64, of the windows numbered from
        `first` on.
        """
        rows = numpy.stack([self._window(number) for number in range(first, first + count)]).astype(
            numpy.int64
        )
        return torch.from_numpy(rows[:, :-1]), torch.from_numpy(rows[:, 1:])

    def _window(self, number: int) -> numpy.ndarray[Any, Any]:
        epoch, place = divmod(number, self.per_epoch)
        offset, order = self._epoch(epoch)
        start = offset + int(order[place]) * self.length
        return self.ids[start : start + self.length + 1]

    def _shuffled(self, epoch: int) -> tuple[int, numpy.ndarray[Any, Any]]:
        generator = numpy.random.default_rng([self.seed, epoch])
        return int(generator.integers(self.length)), generator.permutation(self.per_epoch)
