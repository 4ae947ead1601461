"""What a block does between its products: norm, rotary position embedding, and gate.

There, a small model waits for memory. On a CPU, PyTorch's formulas and the gradients that it
derives from them read and write every state up to three times as often as they have to, so both
are written out here. torch.compile fuses such operations by itself; compiled, and on a GPU, the
formulas are PyTorch's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

NORM_EPSILON = 1e-6


def normed(states: Tensor) -> Tensor:
    """Divides by the root of the mean square over the last axis (https://arxiv.org/abs/1910.07467).

    Under autocast on a CPU the result has its precision at once, since products would convert it
    anyway.
    """
    if _is_eager_on_cpu(states):
        divided: Tensor = _Normed.apply(states)  # type: ignore[no-untyped-call]
        return divided
    return functional.rms_norm(states, states.shape[-1:], eps=NORM_EPSILON)


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotates each head, (batch, length, heads, size), by its position; pairs halves, as Llama
    does.
    """
    if _is_eager_on_cpu(heads):
        rotated: Tensor = _Rotated.apply(heads, cosines, sines)  # type: ignore[no-untyped-call]
        return rotated
    one, two = heads.chunk(2, dim=-1)
    return torch.cat((one * cosines - two * sines, two * cosines + one * sines), dim=-1)


def gated(both: Tensor) -> Tensor:
    """Returns silu(gate) up, (..., size), of the halves of both, (..., 2 size)
    (https://arxiv.org/abs/2002.05202).
    """
    if _is_eager_on_cpu(both):
        product: Tensor = _Gated.apply(both)  # type: ignore[no-untyped-call]
        return product
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate) * up


def computed_dtype(given: torch.dtype) -> torch.dtype:
    """Returns the dtype that products on a CPU have here, for states of the given one."""
    if not torch.is_autocast_enabled("cpu"):
        return given
    dtype: torch.dtype = torch.get_autocast_dtype("cpu")
    return dtype


def _is_eager_on_cpu(states: Tensor) -> bool:
    return states.device.type == "cpu" and not torch.compiler.is_compiling()


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            width, exact = states.shape[-1], torch.promote_types(states.dtype, torch.float32)
            norms = torch.linalg.vector_norm(states, dim=-1, keepdim=True, dtype=exact)
            inverse = norms.square_().div_(width).add_(NORM_EPSILON).rsqrt_()
        divided: Tensor = (states * inverse.to(states.dtype)).to(computed_dtype(states.dtype))
        ctx.save_for_backward(divided, inverse)
        ctx.dtype = states.dtype
        return divided

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        divided, inverse = ctx.saved_tensors
        (gradient,) = gradients
        along = (gradient * divided).sum(-1, keepdim=True, dtype=inverse.dtype)
        along = along.div_(-divided.shape[-1]).to(divided.dtype)
        across: Tensor = torch.addcmul(gradient, divided, along).to(ctx.dtype)
        return across.mul_(inverse.to(ctx.dtype))


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        cosines, sines = cosines.to(heads.dtype), sines.to(heads.dtype)
        ctx.save_for_backward(cosines, sines)
        return _turned(heads, cosines, sines, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cosines, sines = ctx.saved_tensors
        return _turned(gradients[0], cosines, sines, -1), None, None


def _turned(heads: Tensor, cosines: Tensor, sines: Tensor, direction: int) -> Tensor:
    turned = torch.empty(heads.shape, dtype=heads.dtype)
    one, two = heads.chunk(2, dim=-1)
    first, second = turned.chunk(2, dim=-1)
    torch.mul(one, cosines, out=first).addcmul_(two, sines, value=-direction)
    torch.mul(two, cosines, out=second).addcmul_(one, sines, value=direction)
    return turned


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        opened = functional.silu(gate)
        ctx.save_for_backward(both, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        both, opened = ctx.saved_tensors
        gate, up = both.chunk(2, dim=-1)
        gradient = torch.empty_like(both)
        of_gate, of_up = gradient.chunk(2, dim=-1)
        torch.mul(gradients[0], opened, out=of_up)
        raised = gradients[0] * up
        torch.ops.aten.silu_backward.grad_input(raised, gate, grad_input=of_gate)
        return gradient
