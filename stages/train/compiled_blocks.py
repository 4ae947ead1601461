"""Uses torch.compile if a compiler is found; otherwise logs a note and uses PyTorch's kernels."""

import logging
from collections.abc import Callable

from tohum.model.network import Network

log = logging.getLogger(__name__)


def compile_blocks(network: Network, attempt: Callable[[], None]) -> bool:
    """Compiles the blocks, which all share their code, by running a micro-batch.

    Args:
        attempt: runs the network forward and backward; raises RuntimeError if it can't be compiled.

    Returns:
        Whether they run compiled.
    """
    for block in network.blocks:
        block.compile(dynamic=False)
    log.info("compiling the model; this takes a while the first time")
    try:
        attempt()
    except RuntimeError as error:  # no compiler, one that is too old, or no Python headers
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning("torch.compile can't be used here, so training is slower: %s", reason)
        for block in network.blocks:
            block._compiled_call_impl = None
        return False
    return True
