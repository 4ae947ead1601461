"""Causal attention: PyTorch's fused kernel or, in bfloat16 on a processor, products of blocks.

The fused kernel reaches 50 GFLOP/s on a core that reaches 220 in products of bfloat16. So attention
is written out for 256 queries at a time, each of which sees only the keys before it, and so are its
gradients. In float32 that takes as long as the kernel. The scores are rounded to bfloat16, which
doubles the error of the result.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tohum.model.operations import computed_dtype

BLOCK = 256  # queries; 128 and 512 are no faster


def causal_attention(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Returns the values, mixed by the softmax of the scaled scores, for each query: (batch, heads,
    length, size), as the queries. Keys and values may have fewer heads, which groups share.
    """
    group = queries.shape[1] // keys.shape[1]
    if _is_bfloat16_on_cpu(queries) and not torch.compiler.is_compiling():
        if group > 1:
            keys, values = (part.repeat_interleave(group, dim=1) for part in (keys, values))
        mixed: Tensor = _ByBlocks.apply(queries, keys, values, scale)  # type: ignore[no-untyped-call]
        return mixed
    return functional.scaled_dot_product_attention(
        queries, keys, values, is_causal=True, scale=scale, enable_gqa=group > 1
    )


def _is_bfloat16_on_cpu(queries: Tensor) -> bool:
    return queries.device.type == "cpu" and computed_dtype(queries.dtype) == torch.bfloat16


class _ByBlocks(torch.autograd.Function):
    """Attention of BLOCK queries at a time, (batch, heads, length, size) each.

    The last block comes first in the backward pass: it reaches all keys and values, so theirs need
    not begin at zero.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        shape = queries.shape
        q, k, v = (
            part.to(torch.bfloat16).contiguous().view(-1, *shape[2:])
            for part in (queries, keys, values)
        )
        mixed, shares = torch.empty_like(q), list[Tensor]()
        later = torch.full((BLOCK, BLOCK), -torch.inf, dtype=q.dtype).triu(1)
        for rows in _blocks(shape[2]):
            scores = _scaled(q[:, rows], k[:, : rows.stop].mT, scale)
            count = rows.stop - rows.start
            scores[..., rows] += later[:count, :count]
            shares.append(scores.softmax(dim=-1))
            torch.bmm(shares[-1], v[:, : rows.stop], out=mixed[:, rows])
        ctx.save_for_backward(q, k, v, *shares)
        ctx.scale, ctx.shape = scale, shape
        return mixed.view(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, *shares = ctx.saved_tensors
        of_mixed = gradients[0].reshape(q.shape)
        of_q, of_k, of_v = (torch.empty_like(part) for part in (q, k, v))
        added = 0  # nothing is there to add to yet
        for rows, share in reversed(list(zip(_blocks(q.shape[1]), shares, strict=True))):
            seen, wanted = slice(rows.stop), of_mixed[:, rows]
            of_share = torch.bmm(wanted, v[:, seen].mT)
            of_scores = torch.ops.aten._softmax_backward_data(of_share, share, -1, q.dtype)
            _add_product(of_v[:, seen], share.mT, wanted, added)
            _add_product(of_q[:, rows], of_scores, k[:, seen], 0, ctx.scale)
            _add_product(of_k[:, seen], of_scores.mT, q[:, rows], added, ctx.scale)
            added = 1
        return of_q.view(ctx.shape), of_k.view(ctx.shape), of_v.view(ctx.shape), None


def _blocks(length: int) -> list[slice]:
    return [slice(first, min(first + BLOCK, length)) for first in range(0, length, BLOCK)]


def _scaled(left: Tensor, right: Tensor, scale: float) -> Tensor:
    product = left.new_empty(len(left), left.shape[1], right.shape[2])
    _add_product(product, left, right, 0, scale)
    return product


def _add_product(total: Tensor, left: Tensor, right: Tensor, added: int, scale: float = 1) -> None:
    """Makes a total `added` (0 or 1) times itself, and the scaled product of two more."""
    torch.baddbmm(total, left, right, beta=added, alpha=scale, out=total)
