"""What comes before torch: the processes that train one model together, and their manners.

`train.processes` starts them on this machine. `torchrun` and `accelerate launch` with
`-m stages.train` do it by hand, over several machines that share a file system too.
"""

import os
import sys

SPINS = "10000"  # some 0.03 ms


def share_processor() -> None:
    """Lets a thread of PyTorch that waits for another one give its core to other programs soon.

    GNU's OpenMP turns 300,000 times first. Alone that is 3 % faster, but beside one other busy
    program on two cores it is three times as slow. Has to come before torch is loaded.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def start_processes(count: int) -> None:
    """Becomes torchrun with `count` processes of the stage, unless it is one of them already."""
    if count == 1 or "LOCAL_RANK" in os.environ:
        return
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *command, "-m", "stages.train"])
