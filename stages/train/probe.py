"""Measures what a device can do by briefly multiplying matrices, not by looking at its name.

A processor with matrix units computes bfloat16 ten times as fast as float32. Most emulate it, more
slowly, and so do GPUs that are only fast in float16. Model names don't say which, and neither do
functions such as `is_bf16_supported`.
"""

import time

import torch

from tohum.model.config import Model

SIDE = 1024  # of the square matrices that measure the peak
PROBE_SECONDS = 0.2  # of each measurement
FEW_ROWS, FEW_SECONDS = 16, 0.02  # of the products that tell how many rows fit in that time
WORTH = 1.3  # times as fast: a smaller gain is lost in converting between two precisions
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def matrix_peak(device: torch.device, precision: str) -> float:
    """Returns the floating-point operations per second of large matrix products."""
    return _speed(device, DTYPES[precision], SIDE, SIDE, SIDE)


def faster_precision(device: torch.device, model: Model, tokens: int) -> str:
    """Returns the precision in which products of the model's own sizes are fastest.

    bfloat16 must be much faster than float32, and float16, whose range needs a scaled loss, much
    faster than the better of the two.

    Args:
        tokens: in a micro-batch.
    """
    sizes = (tokens, model.hidden_size, 2 * model.intermediate_size)
    chosen, fastest = "float32", 0.0
    for name, dtype in DTYPES.items():
        try:
            speed = _speed(device, dtype, *sizes)
        except (RuntimeError, TypeError):  # the device does not have this type
            continue
        if speed > WORTH * fastest:
            chosen, fastest = name, speed
    return chosen


def allow_tf32() -> None:
    """Lets a GPU with TF32 multiply float32 matrices in it; others compute as before."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"


def _speed(device: torch.device, dtype: torch.dtype, rows: int, inner: int, columns: int) -> float:
    """Returns the operations per second, of fewer rows where a whole product takes too long:
    a processor that emulates bfloat16 needs 3 seconds for 1024 x 1024 x 1024.
    """
    few = min(rows, FEW_ROWS)
    seconds = _seconds(device, dtype, few, inner, columns, FEW_SECONDS)
    rows = min(rows, max(few, int(PROBE_SECONDS * few / seconds)))
    seconds = _seconds(device, dtype, rows, inner, columns, PROBE_SECONDS)
    return 2 * rows * inner * columns / seconds


def _seconds(
    device: torch.device, dtype: torch.dtype, rows: int, inner: int, columns: int, during: float
) -> float:
    """Returns the shortest time of a product among those in `during` seconds, at least one."""
    one = torch.ones(rows, inner, dtype=dtype, device=device)
    two = torch.ones(inner, columns, dtype=dtype, device=device)
    one @ two  # the first product chooses kernels and allocates memory
    _wait(device)
    best, until = float("inf"), time.perf_counter() + during
    while (started := time.perf_counter()) < until or best == float("inf"):
        one @ two
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
