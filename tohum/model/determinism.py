"""Makes two runs give equal bytes, and names the kind of processor on which they do."""

import os
import platform
import random
from pathlib import Path

import numpy as np
import torch


def set_determinism(seed: int, threads: int) -> None:
    """Fixes everything that makes floating-point results differ between runs on one kind of
    processor.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # new tensors needn't be filled: nothing reads one before it is written; 4 % of a training step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(threads)  # the order of a parallel sum depends on it
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of every device


def processor(device: torch.device) -> str:
    """Returns the kind of processor in use: runs on one kind of CPU give the same bytes."""
    if device.type != "cpu":
        return str(device)
    vendor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        fields = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
        vendor = next(
            (value.strip() for key, _, value in fields if key.strip() == "vendor_id"), vendor
        )
    return f"{platform.machine()} {vendor} {torch.backends.cpu.get_cpu_capability()}"
