import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import PROJECT
from tohum.model import loss
from tohum.model.loss import IGNORED, summed_loss, token_losses

pytestmark = pytest.mark.slow


SEEDS = st.integers(0, 2**31)


def drawn(seed: int, tokens: int, vocabulary: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(tokens, 6, generator=generator, requires_grad=True)
    output = torch.randn(vocabulary, 6, generator=generator, requires_grad=True)
    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    ignored = torch.rand(tokens, generator=generator) < 0.3
    return hidden, output, torch.where(ignored, IGNORED, targets)


@given(SEEDS, st.integers(1, 40), st.integers(2, 50), st.integers(1, 500))
def test_loss_and_gradients_are_those_of_cross_entropy(
    seed: int, tokens: int, vocabulary: int, piece: int
) -> None:
    hidden, output, targets = drawn(seed, tokens, vocabulary)
    expected = torch.nn.functional.cross_entropy(hidden @ output.T, targets, reduction="sum")
    expected.backward()
    gradients = [hidden.grad, output.grad]
    hidden.grad = output.grad = None
    before, loss.PIECE_LOGITS = loss.PIECE_LOGITS, {"cpu": piece}
    try:
        found = summed_loss(hidden, output, targets)
        (3 * found).backward()
    finally:
        loss.PIECE_LOGITS = before
    assert torch.allclose(found, expected, atol=1e-4, rtol=1e-5)
    for mine, theirs in zip((hidden.grad, output.grad), gradients, strict=True):
        assert mine is not None and theirs is not None
        assert torch.allclose(mine, 3 * theirs, atol=1e-4, rtol=1e-4)


@given(SEEDS, st.integers(1, 40), st.integers(2, 50))
def test_the_losses_of_targets_add_up_to_the_summed_one(
    seed: int, tokens: int, vocabulary: int
) -> None:
    hidden, output, targets = drawn(seed, tokens, vocabulary)
    with torch.no_grad():
        losses = token_losses(hidden, output, targets)
    assert losses.shape == targets.shape
    assert not losses[targets == IGNORED].any()
    assert torch.allclose(losses.sum(), summed_loss(hidden, output, targets), atol=1e-4, rtol=1e-5)


def test_in_bfloat16_the_loss_stays_close() -> None:
    hidden, output, targets = drawn(0, 400, 50)
    exact = summed_loss(hidden, output, targets)
    with torch.autocast("cpu", torch.bfloat16):
        rough = summed_loss(hidden, output, targets)
    rough.backward()
    assert rough.dtype == torch.float32
    assert output.grad is not None and output.grad.dtype == torch.float32
    assert torch.allclose(exact, rough, rtol=1e-2)


LITTLE_MEMORY = """
import resource
from pathlib import Path
import torch
from tohum.model.loss import summed_loss
hidden = torch.randn(8192, 16, requires_grad=True)
output = torch.randn(32768, 16, requires_grad=True)
targets = torch.randint(32768, (8192,))
summed_loss(hidden[:64], output, targets[:64]).backward()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, -1))
summed_loss(hidden, output, targets).backward()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits the address space")
def test_a_gigabyte_of_logits_needs_no_hundred_megabytes() -> None:
    command = [sys.executable, "-c", LITTLE_MEMORY]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
