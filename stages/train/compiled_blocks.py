"""torch.compile where a compiler is found; where none is, a note, and PyTorch's own kernels."""

import logging
from collections.abc import Callable

from tohum.model.network import Network

log = logging.getLogger(__name__)


def compile_blocks(network: Network, attempt: Callable[[], None]) -> bool:
    """Compiles the blocks, which all share their code, as an attempt at a micro-batch runs them.

    Args:
        attempt: runs the network forward and backward; RuntimeError when that can't be compiled.

    Returns:
        Whether they run compiled.
    """
    for block in network.blocks:
        block.compile(dynamic=False)
    log.info("compiling the model; this takes a while the first time")
    try:
        attempt()
    except RuntimeError as error:  # a compiler that is missing or too old, or no headers of Python
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning("torch.compile can't be used here, so training is slower: %s", reason)
        for block in network.blocks:
            block._compiled_call_impl = None
        return False
    return True
