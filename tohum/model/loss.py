"""Cross-entropy against a tied output matrix, in pieces, so that memory never holds all logits.

The gradient is computed together with the loss, piece by piece, so that no logits are kept or
computed twice; memory is that of one piece, however large the vocabulary times the tokens.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100
# Of one piece: on a CPU 4 MB of float32, which stay in its second-level cache; elsewhere 256 MB, so
# that the operations are few and large.
PIECE_LOGITS = {"cpu": 1 << 20}
OTHER_PIECE_LOGITS = 1 << 26


def summed_loss(hidden: Tensor, output: Tensor, targets: Tensor) -> Tensor:
    """Returns the summed negative log-likelihood, in nats, a scalar of float32.

    Args:
        hidden: (tokens, width).
        output: the output matrix, (vocabulary, width).
        targets: (tokens,) of int64; IGNORED ones count zero.
    """
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        hidden = hidden.to(torch.get_autocast_dtype(device))
    with torch.autocast(device, enabled=False):
        loss: Tensor = _SummedLoss.apply(hidden, output, targets)  # type: ignore[no-untyped-call]
    return loss


def token_losses(hidden: Tensor, output: Tensor, targets: Tensor) -> Tensor:
    """Returns the negative log-likelihood of each target, (tokens,) of float32; see summed_loss."""
    return torch.cat(
        [
            functional.cross_entropy(
                functional.linear(states, output).float(), wanted, reduction="none"
            )
            for states, wanted in _pieces(hidden, output, targets)
        ]
    )


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, output: Tensor, targets: Tensor) -> Tensor:
        weight = output.to(hidden.dtype)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        output_gradient = torch.zeros_like(output)
        start = 0
        for states, wanted in _pieces(hidden, output, targets):
            counted = (wanted != IGNORED)[:, None]
            index = wanted.clamp(min=0)[:, None]
            logarithms = (states @ weight.T).float().log_softmax(1)
            likelihoods = logarithms.gather(1, index)
            total -= (likelihoods * counted).sum()
            gradient = logarithms.exp_()
            gradient.scatter_add_(1, index, -torch.ones_like(likelihoods))
            lowered = gradient.to(hidden.dtype)
            torch.mm(lowered, weight, out=hidden_gradient[start : start + len(states)])
            output_gradient += lowered.T @ (states * counted)
            start += len(states)
        hidden_gradient.mul_((targets != IGNORED)[:, None])
        ctx.save_for_backward(hidden_gradient, output_gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden, output = ctx.saved_tensors
        return hidden * gradients[0], output * gradients[0], None


def _pieces(hidden: Tensor, output: Tensor, targets: Tensor) -> "list[tuple[Tensor, Tensor]]":
    rows = max(1, PIECE_LOGITS.get(hidden.device.type, OTHER_PIECE_LOGITS) // len(output))
    return list(zip(hidden.split(rows), targets.split(rows), strict=True))
