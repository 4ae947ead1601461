"""The gradients of one step: windows shared among processes, computed in micro-batches."""

import logging
from collections.abc import Sequence
from typing import Any

import torch

from stages.train.batches import Windows
from stages.train.config import Train
from stages.train.probe import DTYPES
from stages.train.processes import Peers, is_sharded, without_sum
from tohum.errors import UserError
from tohum.model.loss import IGNORED
from tohum.model.network import Network
from tohum.shortages import ALL_USED_TEXT

log = logging.getLogger(__name__)


class Gradients:
    """Computes the gradients of a network's weights for the windows of a step.

    Args:
        network: as the processes train it, from `spread`.
        windows: of the training text; number n in the list are halved n times.
        config: how many tokens make a step and a micro-batch.
        peers: the processes that share a step.
        precision: of the matrix products, one of DTYPES.
    """

    def __init__(
        self,
        network: Any,
        windows: Sequence[Windows],
        config: Train,
        peers: Peers,
        precision: str,
    ) -> None:
        self.network, self.windows, self.peers = network, windows, peers
        self.precision = precision
        self.length = windows[0].length
        self.micro_batch = config.micro_batch_tokens // self.length  # whole windows
        self.halved: int | None = None  # to so many, because memory ran out
        self.share = config.tokens_per_step // self.length // peers.count  # of this process

    def cast(self) -> Any:
        """Returns the context in which the network computes in the precision."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.peers.device.type, dtype, enabled=dtype != torch.float32)

    def try_out(self, network: Network) -> None:
        """Computes a micro-batch as a trial. It shows whether the network can be compiled, and all
        processes find a micro-batch that fits in memory before one waits for another.

        Args:
            network: this process's own, which does not sum gradients with others.

        Raises:
            RuntimeError: it can't be compiled.
            UserError: not even one window fits into the memory.
        """
        while True:
            try:
                self._trial(network)
                break
            except RuntimeError as error:
                self._halve(error, not is_sharded(network))
            finally:
                network.zero_grad()
        (smallest,) = self.peers.largest(-self.micro_batch)
        self.restrict(-int(smallest))

    def restrict(self, micro_batch: int) -> None:
        """Makes the micro-batch one that was found to fit, if it is larger."""
        if micro_batch < self.micro_batch:
            self.micro_batch = self.halved = micro_batch

    def _trial(self, network: Network) -> None:
        # as much memory again as the optimisers and the sums of gradients will hold
        _held = [torch.empty_like(weight) for weight in network.parameters() for _ in range(2)]
        shape = (self.micro_batch, self.length)
        ids = torch.zeros(shape, dtype=torch.int64, device=self.peers.device)
        with self.cast():  # else the first step would compile once more
            network(ids, ids).backward()

    def compute(self, step: int, scale: float = 1.0, halvings: int = 0) -> float:
        """Adds a step's gradients to those of the weights and returns the mean loss, in nats, of
        the targets that count.

        Args:
            step: its number.
            scale: of the loss in the backward pass, divided out of the gradients; a power of two.
            halvings: of the windows, as many tokens in more of them.

        Raises:
            UserError: not even one window fits into the memory.
        """
        while True:
            try:
                loss = self._computed(step, scale, halvings)
            except RuntimeError as error:
                self._halve(error, self.peers.count == 1)  # others would wait forever
                continue
            for weight in self.network.parameters() if scale != 1 else ():
                weight.grad.div_(scale)
            return loss

    def _computed(self, step: int, scale: float, halvings: int) -> float:
        first = (step * self.peers.count + self.peers.index) * self.share
        batches = [
            self.windows[halvings].batch(
                start << halvings, min(self.micro_batch, first + self.share - start) << halvings
            )
            for start in range(first, first + self.share, self.micro_batch)
        ]
        mine = sum(int((targets != IGNORED).sum()) for _, targets in batches)
        counted = max(1.0, self.peers.total(mine))
        total = 0.0
        for number, (ids, targets) in enumerate(batches):
            is_last = number == len(batches) - 1
            with without_sum(self.network, not is_last), self.cast():
                summed = self.network(ids.to(self.peers.device), targets.to(self.peers.device))
                # several processes average their gradients: their count restores the sum
                (summed * (scale * self.peers.count / counted)).backward()
            total += float(summed.detach())
        return self.peers.total(total) / counted

    def _halve(self, error: RuntimeError, possible: bool) -> None:
        """Makes the micro-batch smaller after running out of memory; the windows of a step stay the
        same.

        Args:
            possible: whether this process may retry alone.

        Raises:
            RuntimeError: the error is a different one.
            UserError: it can't be smaller.
        """
        if not (isinstance(error, torch.OutOfMemoryError) or ALL_USED_TEXT.search(str(error))):
            raise error
        device, tokens = self.peers.device, self.micro_batch * self.length
        if self.micro_batch == 1 or not possible:
            raise UserError(
                f"{device} has too little memory for a micro-batch of {tokens} tokens. Lower "
                "train.micro_batch_tokens, model.context_length or the model's sizes."
            ) from error
        self.restrict((self.micro_batch + 1) // 2)
        self.network.zero_grad()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "%s has too little memory: continuing with micro-batches of %d tokens, the same "
            "steps up to rounding",
            device,
            self.micro_batch * self.length,
        )
