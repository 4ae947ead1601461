"""Several processes that train one model: their ranks, and how the network is spread over them.

The same windows make a step for any number of processes: each computes its share, and the gradients
are summed.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from stages.train.config import Train
from stages.train.launching import is_launched
from tohum.errors import UserError
from tohum.model.devices import require_device
from tohum.model.network import Network

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)

T = TypeVar("T")


class Peers:
    """This process among those that train together; a single process sends nothing.

    Raises:
        UserError: the device is missing, the number of processes is not the configured one, or the
            step can't be shared among them.
    """

    def __init__(self, config: Train) -> None:
        self.accelerator = _accelerator(config)
        self.device: torch.device = self.accelerator.device
        self.count = int(self.accelerator.num_processes)
        self.index = int(self.accelerator.process_index)
        if config.processes not in (1, self.count):
            raise UserError(
                f"{self.count} processes were started, and train.processes is {config.processes}: "
                "start as many on all nodes together, or change it."
            )
        config.require_shares(self.count)

    @property
    def is_first(self) -> bool:
        """Whether this process writes files: it is the only one, or the first of several."""
        return self.index == 0

    def wait(self) -> None:
        """Waits until all processes get here."""
        self.accelerator.wait_for_everyone()

    def largest(self, *values: float) -> list[float]:
        """Returns the largest of each value over all processes."""
        return self._reduced(values, torch.distributed.ReduceOp.MAX)

    def total(self, value: float) -> float:
        """Returns the sum over all processes."""
        return self._reduced([value], torch.distributed.ReduceOp.SUM)[0]

    def from_first(self, value: T) -> T:
        """Returns the value of the first process, in all of them."""
        if self.count == 1:
            return value
        shared = [value]
        torch.distributed.broadcast_object_list(shared, src=0)
        return shared[0]

    def gathered(self, value: T) -> list[T]:
        """Returns the values of all processes by rank, in each of them."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def require_same(self, value: str, of: str) -> None:
        """Checks that all processes have the same value.

        Args:
            of: what it is a hash of, for the message.

        Raises:
            UserError: they haven't; the message names the nodes.
        """
        everywhere = self.gathered((socket.gethostname(), value))
        first, expected = everywhere[0]
        others = sorted({node for node, found in everywhere if found != expected})
        if others:
            raise UserError(
                f"{of} on {', '.join(others)} are not those on {first}. Every node must run in "
                "the same project folder, on a file system that all of them share."
            )

    def _reduced(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.count == 1:
            return list(values)
        reduced = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(reduced, operation)
        return [float(value) for value in reduced]


def _accelerator(config: Train) -> Accelerator:
    require_device(config.device)
    on_cpu = config.device == "cpu"
    if is_launched():
        # or else accelerate starts no group of processes, and chooses the threads itself
        on_cpu = on_cpu or (config.device == "auto" and not torch.cuda.is_available())
        os.environ.setdefault("OMP_NUM_THREADS", str(config.threads))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if not on_cpu and here > max(1, torch.cuda.device_count()):
        raise UserError(
            f"{here} processes were started on {socket.gethostname()}, which has too few GPUs for "
            f"them ({torch.cuda.device_count()}): start one for each GPU, or set train.device=cpu."
        )
    return Accelerator(cpu=on_cpu)


def spread(network: Network, config: Train, peers: Peers) -> Any:
    """Returns the network as the processes train it: alone, copied to each, or sharded."""
    network.to(peers.device)
    if peers.count == 1:
        return network
    if config.sharding == "full":
        for block in network.blocks:
            fully_shard(block)
        return fully_shard(network)
    return DistributedDataParallel(network)


def is_sharded(network: torch.nn.Module) -> bool:
    """Returns whether `spread` sharded the network: then its forward pass needs all processes."""
    return isinstance(network, FSDPModule)


def without_sum(network: torch.nn.Module, wanted: bool) -> AbstractContextManager[Any]:
    """Returns a context in which a copied network does not share its gradients until the last
    micro-batch of a step, so they are summed only once.
    """
    if wanted and isinstance(network, DistributedDataParallel):
        return network.no_sync()
    return nullcontext()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor, gathered whole if it is sharded; all processes must call this together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_weights(network: Network) -> dict[str, torch.Tensor]:
    """Returns all weights on the CPU: in every process of a copied network, in the first of a
    sharded one.
    """
    weights: Any = get_model_state_dict(network, options=WHOLE)
    return dict(weights)


def whole_states(network: Network, optimizers: list[Any]) -> list[dict[str, Any]]:
    """Returns the states of the optimisers, in the same processes as `whole_weights`."""
    return [get_optimizer_state_dict(network, optimizer, options=WHOLE) for optimizer in optimizers]


def put_back(
    network: Network,
    optimizers: list[Any],
    weights: dict[str, torch.Tensor],
    states: list[dict[str, Any]],
) -> None:
    """Loads what `whole_weights` and `whole_states` returned into network and optimisers, however
    the network is spread now.
    """
    set_model_state_dict(network, dict(weights), options=WHOLE)
    for optimizer, state in zip(optimizers, states, strict=True):
        set_optimizer_state_dict(network, optimizer, state, options=WHOLE)
