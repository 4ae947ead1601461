"""The operations give the values and gradients of PyTorch's formulas."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tohum.model import operations
from tohum.model.operations import NORM_EPSILON, gated, normed, rotate

SHAPE = (2, 5, 3, 8)  # batch, length, heads, size


def angles() -> tuple[Tensor, Tensor]:
    found = torch.linspace(0, 3, SHAPE[1] * SHAPE[3] // 2).view(SHAPE[1], 1, -1)
    return found.cos(), found.sin()


def plain_norm(states: Tensor) -> Tensor:
    return functional.rms_norm(states, states.shape[-1:], eps=NORM_EPSILON)


def plain_rotation(heads: Tensor) -> Tensor:
    cosines, sines = angles()
    one, two = heads.chunk(2, dim=-1)
    return torch.cat((one * cosines - two * sines, two * cosines + one * sines), dim=-1)


def plain_gate(both: Tensor) -> Tensor:
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate) * up


OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "norm": (normed, plain_norm),
    "rotation": (lambda heads: rotate(heads, *angles()), plain_rotation),
    "gate": (gated, plain_gate),
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def states(dtype: torch.dtype) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()


def with_gradient(operation: Callable[[Tensor], Tensor], given: Tensor) -> tuple[Tensor, Tensor]:
    found = operation(given)
    weights = torch.linspace(-1, 1, found.numel()).view_as(found)
    (gradient,) = torch.autograd.grad((found * weights).sum(), given)
    return found, gradient


@every_operation
def test_the_gradients_are_those_of_small_differences(name: str) -> None:
    operation, _ = OPERATIONS[name]
    assert torch.autograd.gradcheck(operation, states(torch.float64))


@every_operation
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-6), (torch.bfloat16, 0.03)])
def test_values_and_gradients_are_those_of_the_plain_formulas(
    name: str, dtype: torch.dtype, apart: float
) -> None:
    operation, plain = OPERATIONS[name]
    given = states(dtype)
    wanted = with_gradient(plain, given.detach().float().requires_grad_())
    for found, expected in zip(with_gradient(operation, given), wanted, strict=True):
        assert found.dtype == dtype
        assert torch.allclose(found.float(), expected, rtol=apart, atol=apart)


def test_under_autocast_a_norm_has_the_precision_of_products() -> None:
    given = states(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found, gradient = with_gradient(normed, given)
    wanted, expected = with_gradient(plain_norm, given)
    assert (found.dtype, gradient.dtype) == (torch.bfloat16, torch.float32)
    assert torch.allclose(found.float(), wanted, rtol=0.01)
    assert torch.allclose(gradient, expected, atol=0.01)


@every_operation
def test_a_part_of_a_larger_tensor_will_do(name: str) -> None:
    operation, plain = OPERATIONS[name]
    larger = torch.randn(SHAPE[0], SHAPE[1], 7, SHAPE[3])
    part = larger[:, :, 2:5]
    assert not part.is_contiguous()
    assert torch.allclose(operation(part), plain(part), atol=1e-6)


@every_operation
def test_compiled_code_has_the_formulas_that_a_compiler_fuses(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, plain = OPERATIONS[name]
    for each in ("_Normed", "_Rotated", "_Gated"):
        monkeypatch.setattr(operations, each, None)
    with pytest.raises(AttributeError):
        operation(states(torch.float32))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    given = states(torch.float32)
    assert torch.equal(operation(given), plain(given))
