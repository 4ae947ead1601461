"""torch.compile where a compiler is found; where none is, a note, and PyTorch's own kernels."""

import logging

import torch

from stages.train.network import Network

log = logging.getLogger(__name__)


def compile_blocks(network: Network, length: int, count: int, device: torch.device) -> bool:
    """Compiles the blocks, which all share their code, and tries them on a micro-batch.

    Args:
        length: ids of a window.
        count: windows of a micro-batch.

    Returns:
        Whether they run compiled.
    """
    for block in network.blocks:
        block.compile(dynamic=False)
    ids = torch.zeros((count, length), dtype=torch.int64, device=device)
    log.info("compiling the model; this takes a while the first time")
    try:
        network(ids, ids).backward()
    except RuntimeError as error:  # a compiler that is missing or too old, or no headers of Python
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning("torch.compile can't be used here, so training is slower: %s", reason)
        for block in network.blocks:
            block._compiled_call_impl = None
        return False
    finally:
        network.zero_grad()
    return True
