"""Muon, momentum with orthogonalised steps, for the inner matrices, and AdamW for the embedding.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/): five Newton-Schulz iterations
bring all singular values of the momentum near one. The step is then scaled to the size of AdamW's
(Moonshot 2025, https://arxiv.org/abs/2502.16982), so one learning rate and one weight decay serve
both.

torch.optim.Muon takes one matrix at a time and computes in bfloat16, which some processors emulate.
Here all matrices of the same shape are one batch, and their products use the surrounding autocast's
precision, or else that of the weights. A matrix that stacks several (queries, keys and values; gate
and up) is orthogonalised part by part.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from stages.train.config import Train
from stages.train.optimizers.adamw import adamw
from stages.train.processes import whole
from tohum.model.network import Network

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, from the post above
ITERATIONS = 5
ADAMW_SIZE = 0.2  # root mean square of AdamW's steps, in learning rates


def build(network: Network, config: Train) -> list[torch.optim.Optimizer]:
    """Returns both optimisers."""
    matrices = [
        (weight, network.parts[name])
        for block in network.blocks
        for name, weight in block.named_parameters()
    ]
    muon = Muon(matrices, config.learning_rate, config.momentum, config.weight_decay)
    return [muon, adamw(network.embedding, [], config)]


class Muon(torch.optim.Optimizer):
    """Steps of Muon, with Nesterov momentum and decoupled weight decay.

    Each process gathers a sharded matrix whole for its step, one at a time, so none holds more than
    one whole matrix.

    Args:
        parameters: for each matrix, the sizes of its parts, which add up to its first axis.
        lr: learning rate.
        momentum: how much of the previous steps' momentum stays.
        weight_decay: share of a weight that a step removes, times the learning rate.
    """

    def __init__(
        self,
        parameters: list[tuple[torch.nn.Parameter, list[int]]],
        lr: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        self.parts = [sizes for _, sizes in parameters]
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([parameter for parameter, _ in parameters], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Takes one step on the matrices that have a gradient."""
        assert closure is None
        (group,) = self.param_groups
        pairs = list(zip(group["params"], self.parts, strict=True))
        together = [pair for pair in pairs if not isinstance(pair[0], DTensor)]
        self._step_together(together, group)
        for parameter, sizes in pairs:
            if isinstance(parameter, DTensor):
                self._step_together([(parameter, sizes)], group)

    def _step_together(self, pairs: list[tuple[Tensor, list[int]]], group: dict[str, Any]) -> None:
        """Takes the steps of the given parameters, all matrices of one shape at once."""
        by_shape: defaultdict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        gathered = [(parameter, whole(parameter)) for parameter, _ in pairs]
        for (parameter, weights), (_, sizes) in zip(gathered, pairs, strict=True):
            direction = whole(self._direction(parameter, group["momentum"]))
            for part, weight in zip(direction.split(sizes), weights.split(sizes), strict=True):
                by_shape[tuple(part.shape)].append((part, weight))
        for shape, matrices in by_shape.items():
            steps = orthogonal(torch.stack([part for part, _ in matrices]))
            size = ADAMW_SIZE * max(shape) ** 0.5
            for (_, weight), step in zip(matrices, steps, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step, alpha=-group["lr"] * size)
        for parameter, weights in gathered:
            if isinstance(parameter, DTensor):
                mesh, placements = parameter.device_mesh, parameter.placements
                parameter.copy_(distribute_tensor(weights, mesh, placements, src_data_rank=None))

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum_buffer"], momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """Returns (count, rows, columns) whose singular values are all near one (0.7 to 1.2)."""
    tall = matrices.shape[1] > matrices.shape[2]
    values = matrices.mT if tall else matrices
    values = values / values.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = values @ values.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        values = torch.baddbmm(values, gram, values, beta=a)
    return values.mT if tall else values
