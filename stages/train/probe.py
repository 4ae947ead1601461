"""Finds what a device can do: a processor says it itself, a GPU is measured.

A processor with instructions for bfloat16 computes it two to ten times as fast as float32; all
others emulate it, more slowly. Its flags decide, so that two runs on one kind of processor train in
the same precision, however busy it is. GPUs briefly multiply matrices: some are only fast in
float16, and neither their names nor functions such as `is_bf16_supported` say which.
"""

import time

import torch

from tohum.model.config import Model

SIDE = 1024  # of the square matrices that measure the peak
PROBE_SECONDS = 0.2  # of each measurement
FEW_ROWS, FEW_SECONDS = 16, 0.02  # of the products that tell how many rows fit in that time
WORTH = 1.3  # times as fast: a smaller gain is lost in converting between two precisions
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")  # measured: 1.8 and 2.3 times float32's steps
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def matrix_peak(device: torch.device, precision: str) -> float:
    """Returns the floating-point operations per second of large matrix products."""
    return _speed(device, DTYPES[precision], SIDE, SIDE, SIDE)


def processor_precision() -> str:
    """Returns the precision in which this machine's processor is fastest, by its flags."""
    flags = torch.cpu.get_capabilities()
    return "bfloat16" if any(flags.get(name) for name in BFLOAT16_FLAGS) else "float32"


def faster_precision(device: torch.device, model: Model, tokens: int) -> str:
    """Returns the precision in which a device is fastest: a processor's is in its flags, a GPU's
    where products of the model's own sizes are fastest.

    bfloat16 must be much faster than float32, and float16, whose range needs a scaled loss, much
    faster than the better of the two.

    Args:
        tokens: in a micro-batch.
    """
    if device.type == "cpu":
        return processor_precision()
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
