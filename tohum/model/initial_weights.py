"""The weights before the first step: random, or random with a head that already looks back.

Much code repeats what came before it. A model finds that out in two stages: a head learns to look
at the token before its own, and a later head uses that to find where the same token stood earlier
(Olsson et al. 2022, https://arxiv.org/abs/2209.11895). In a run of minutes the first stage takes a
third of the steps. `copying` begins after it:

- One coordinate of every embedding is the same constant. The output is tied to the embedding, so
  the constant adds the same to all logits and changes no probability.
- In the first block's first head, queries and keys are made from this constant alone, the query
  turned back by one position. Rotary embedding makes their product largest one position apart.
- Values and outputs of every head are orthonormal, so that what a head finds is passed on whole.
  The first head reads one half of the coordinates and writes to the other.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tohum.model.config import Model

INTO_STREAM = ("output", "down")  # matrices whose result is added to the residual stream
CONSTANT_SHARE = 0.7  # of the rest of the embedding, as a root of its summed squares
FAST = 0.02  # radians a position: slower pairs of a head can't tell a token from the one before it
SHARPNESS = 0.4  # of the first head's queries and keys, times the constant's normed size
WRITING = 1.5  # times the deviation of the embedding: how much a head adds to the residual stream


@torch.no_grad()
def initialise(embedding: Tensor, blocks: Sequence[Mapping[str, Tensor]], config: Model) -> None:
    """Draws new weights from torch's generator.

    Args:
        embedding: (vocabulary, width).
        blocks: the weights of each block of `tohum.model.network`, by name.
        config: `initialization` says which of the two.
    """
    deviation = config.initializer_range
    nn.init.normal_(embedding, std=deviation)
    into_stream = deviation / math.sqrt(2 * config.num_layers)
    for block in blocks:
        for name, weight in block.items():
            nn.init.normal_(weight, std=into_stream if name in INTO_STREAM else deviation)
    if config.initialization == "copying":
        embedding[:, 0] = CONSTANT_SHARE * deviation * math.sqrt(config.hidden_size)
        for block in blocks:
            _pass_on_whole(block["query_key_value"], block["output"], config)
        _look_back(blocks[0]["query_key_value"], blocks[0]["output"], config)


def _pass_on_whole(query_key_value: Tensor, output: Tensor, config: Model) -> None:
    """Makes values and outputs of each head orthonormal."""
    size = config.hidden_size // config.num_heads
    values = query_key_value[(config.num_heads + config.num_key_value_heads) * size :]
    for head in values.split(size):
        nn.init.orthogonal_(head)
    for head in output.split(size, dim=1):
        head.copy_(nn.init.orthogonal_(torch.empty(head.shape)))
        head.mul_(WRITING * config.initializer_range)


def _look_back(query_key_value: Tensor, output: Tensor, config: Model) -> None:
    """Makes the first head look at the token before each and copy half of its coordinates."""
    width, size = config.hidden_size, config.hidden_size // config.num_heads
    queries = query_key_value[:size]
    keys = query_key_value[config.num_heads * size :][:size]
    values = query_key_value[(config.num_heads + config.num_key_value_heads) * size :][:size]
    angles = config.rope_theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    fast = (angles > FAST).float() * SHARPNESS
    queries[:, 0] = torch.cat([fast * angles.cos(), -fast * angles.sin()])
    keys[:, 0] = torch.cat([fast, torch.zeros_like(fast)])
    directions = torch.zeros(width - 1, width)
    directions[:, 1:] = nn.init.orthogonal_(torch.empty(width - 1, width - 1))
    half = min(size, (width - 1) // 2)
    values.zero_()
    values[:half] = directions[:half]
    output[:, :size] = 0
    output[:, :half] = directions[half : 2 * half].T * (WRITING * config.initializer_range)
