import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.train.optimizers.muon import Muon, orthogonal

SIDES = st.integers(1, 24)


@given(SIDES, SIDES, st.integers(0, 2**31))
def test_singular_values_come_near_one(rows: int, columns: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(rows, rows, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(columns, columns, generator=generator))[0]
    rank = min(rows, columns)
    values = torch.linspace(1, 20, rank)
    matrix = left[:, :rank] @ values.diag() @ right[:, :rank].T
    found = torch.linalg.svdvals(orthogonal(matrix[None])[0])
    assert found.min() > 0.5 and found.max() < 1.3


def stepped(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("shape", [(12, 12), (24, 8), (8, 24)])
def test_steps_are_those_of_pytorch_up_to_its_bfloat16(shape: tuple[int, int]) -> None:
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine = stepped(Muon([(ours, [shape[0]])], lr=0.02, momentum=0.9, weight_decay=0.1), ours)
    reference = torch.optim.Muon(
        [theirs], lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    moved = stepped(reference, theirs) - start
    assert (mine - start - moved).norm() < 0.05 * moved.norm()


def test_the_parts_of_a_matrix_step_as_if_they_stood_alone() -> None:
    start = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
    together = torch.nn.Parameter(start.clone())
    values = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}
    whole = Muon([(together, [4, 8])], **values)
    alone = [torch.nn.Parameter(part.clone()) for part in start.split([4, 8])]
    apart = Muon([(part, [len(part)]) for part in alone], **values)
    gradient = torch.randn(12, 6, generator=torch.Generator().manual_seed(1))
    together.grad = gradient
    for part, own in zip(alone, gradient.split([4, 8]), strict=True):
        part.grad = own
    whole.step()
    apart.step()
    assert torch.allclose(together, torch.cat(tuple(alone)), atol=1e-6)
