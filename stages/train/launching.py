"""Starts the processes that train one model together.

`train.processes` starts them on this machine. `torchrun` and `accelerate launch` with
`-m stages.train` do it by hand, over several machines that share a file system too.
"""

import os
import sys


def start_processes(count: int) -> None:
    """Becomes torchrun with `count` processes of the stage, unless it is one of them already."""
    if count == 1 or "LOCAL_RANK" in os.environ:
        return
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *command, "-m", "stages.train"])
