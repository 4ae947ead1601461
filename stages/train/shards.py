"""Checkpoints of a sharded network: every process writes and reads its own part, and none holds the
whole.

A checkpoint is a folder in the format of torch.distributed.checkpoint: one file for each process,
and `.metadata`, which says where each tensor is. Any number of processes can resume from it, a
single one too.
"""

from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from stages.train.processes import Peers
from tohum.files import fresh
from tohum.marks import Hashed, hashed
from tohum.model.network import Network

METADATA = ".metadata"


def write_shards(
    folder: Path, network: Network, optimizers: list[Any], peers: Peers
) -> list[Hashed]:
    """Writes this process's part into a folder and returns the files of all processes with their
    hashes; all processes must call this together.
    """
    if peers.is_first:
        fresh(folder)
    peers.wait()
    save(_states(network, optimizers), checkpoint_id=folder)
    mine = [hashed(path) for path in sorted(folder.glob(f"__{peers.index}_*"))]
    if peers.is_first:
        mine.append(hashed(folder / METADATA))
    return [file for files in peers.gathered(mine) for file in files]


def read_shards(folder: Path, network: Network, optimizers: list[Any]) -> None:
    """Loads a checkpoint into network and optimisers, however the network is spread now, and
    restores torch's generator.
    """
    states = _states(network, optimizers)  # what there is to read, and where it goes
    load(states, checkpoint_id=folder)
    torch.set_rng_state(states["random"])
    set_model_state_dict(network, states["weights"])
    for number, optimizer in enumerate(optimizers):
        set_optimizer_state_dict(network, optimizer, states["optimizers"][str(number)])


def _states(network: Network, optimizers: list[Any]) -> dict[str, Any]:
    return {
        "weights": get_model_state_dict(network),
        "optimizers": {
            str(number): get_optimizer_state_dict(network, optimizer)
            for number, optimizer in enumerate(optimizers)
        },
        "random": torch.get_rng_state(),
    }
