"""Muon: momentum whose steps are made orthogonal, for the matrices between embedding and output.

Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/): five Newton-Schulz iterations
bring all singular values of the momentum near one. The step is then scaled to the size of AdamW's
(Moonshot 2025, https://arxiv.org/abs/2502.16982), so that one learning rate and one weight decay
serve both.

torch.optim.Muon takes one matrix at a time and computes in bfloat16, which some processors emulate.
Here all matrices of one shape are one batch, in the precision of the weights, and a matrix that
holds several (queries, keys and values; gate and up) is made orthogonal part by part.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, from the post above
ITERATIONS = 5
ADAMW_SIZE = 0.2  # root mean square of AdamW's steps, in learning rates


class Muon(torch.optim.Optimizer):
    """Steps of Muon, with Nesterov momentum and decoupled weight decay.

    Args:
        parameters: of each matrix, the sizes of its parts along the first axis, which add up to it.
        lr: learning rate.
        momentum: how much of the last steps' momentum stays.
        weight_decay: share of a weight that a step takes off, in learning rates.
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
        by_shape: defaultdict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for parameter, sizes in zip(group["params"], self.parts, strict=True):
            direction = self._direction(parameter, group["momentum"])
            for part, weight in zip(direction.split(sizes), parameter.split(sizes), strict=True):
                by_shape[tuple(part.shape)].append((part, weight))
        for shape, pairs in by_shape.items():
            steps = orthogonal(torch.stack([part for part, _ in pairs]))
            size = ADAMW_SIZE * max(shape) ** 0.5
            for (_, weight), step in zip(pairs, steps, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(step, alpha=-group["lr"] * size)

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum_buffer"], momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """Returns (count, rows, columns) of which every singular value is near one (0.7 to 1.2)."""
    tall = matrices.shape[1] > matrices.shape[2]
    values = matrices.mT if tall else matrices
    values = values / values.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = values @ values.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        values = torch.baddbmm(values, gram, values, beta=a)
    return values.mT if tall else values
