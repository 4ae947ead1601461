"""Attention by blocks computes what the fused kernel does."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tohum.model import attention
from tohum.model.attention import BLOCK, causal_attention

SCALE = 0.3


def three(length: int, key_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)

    def heads(count: int) -> Tensor:
        return torch.randn(2, count, length, 16, requires_grad=True)

    return heads(4), heads(key_heads), heads(key_heads)


def exact(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """In float64, by PyTorch's own kernel."""
    return functional.scaled_dot_product_attention(
        queries.double(),
        keys.double(),
        values.double(),
        is_causal=True,
        scale=SCALE,
        enable_gqa=True,
    )


def deviation(found: Tensor, wanted: Tensor) -> float:
    return (found.double() - wanted).abs().max().item()


@pytest.mark.parametrize("length", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 90])
@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_blocks_in_bfloat16_give_values_and_gradients_of_exact_attention(
    length: int, key_heads: int
) -> None:
    parts = three(length, key_heads)
    wanted = exact(*parts)
    weight = torch.randn_like(wanted)
    expected = torch.autograd.grad((wanted * weight).sum(), parts)
    with torch.autocast("cpu", torch.bfloat16):
        found = causal_attention(*parts, SCALE)
    assert found.dtype == torch.bfloat16
    assert deviation(found, wanted) < 0.05
    for one, other in zip(
        torch.autograd.grad((found * weight).sum(), parts), expected, strict=True
    ):
        assert deviation(one, other) < 0.02 * float(other.abs().max()) + 0.05


@pytest.mark.parametrize("cut", [1, BLOCK - 1, BLOCK, BLOCK + 7])
def test_no_query_sees_what_comes_after_it(cut: int) -> None:
    queries, keys, values = (part.detach().bfloat16() for part in three(2 * BLOCK, 4))
    before = causal_attention(queries, keys, values, SCALE)
    keys[:, :, cut:], values[:, :, cut:] = 9, -9
    after = causal_attention(queries, keys, values, SCALE)
    assert torch.equal(before[:, :, :cut], after[:, :, :cut])
    assert not torch.equal(before[:, :, cut:], after[:, :, cut:])


def test_float32_is_left_to_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_ByBlocks", None)
    parts = three(BLOCK + 1, 2)
    assert deviation(causal_attention(*parts, SCALE), exact(*parts)) < 1e-5
    with pytest.raises(AttributeError), torch.autocast("cpu", torch.bfloat16):
        causal_attention(*parts, SCALE)
