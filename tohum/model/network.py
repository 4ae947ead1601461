"""The network: a Llama or a descendant, in as few passes over memory as PyTorch's kernels allow.

transformers' classes run an operation for each line of their formulas. Here queries, keys and
values are one product, and so are the two halves of the feed-forward; the rotary embedding is on
halves, the norms have no gain in training, and the loss never holds all logits at once: 1.03 to
1.16 times as fast, like for like (`python -m benchmarks.train --throughput`), in less memory.
`stages.evaluate.export` turns the weights into transformers' own; both give the same logits.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tohum.model.architectures import load_architecture
from tohum.model.attention import causal_attention
from tohum.model.config import Model
from tohum.model.initial_weights import initialise
from tohum.model.layers import matrix_parts, rotation
from tohum.model.loss import summed_loss, token_losses
from tohum.model.operations import gated, normed, rotate


class Network(nn.Module):
    """The transformer: ids to the loss of their targets, the embedding tied to the output."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, config: Model, vocab_size: int) -> None:
        super().__init__()
        self.config, self.parts = config, matrix_parts(config)
        self.embedding = nn.Parameter(torch.empty(vocab_size, config.hidden_size))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        cosines, sines = rotation(config)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        weights = [dict(block.named_parameters()) for block in self.blocks]
        initialise(self.embedding, weights, config)

    def hidden(self, ids: Tensor) -> Tensor:
        """Returns the normed last hidden states, (batch, length, width), of ids (batch, length)."""
        states = functional.embedding(ids, self.embedding)
        length = ids.shape[1]
        cosines, sines = self.cosines[:length], self.sines[:length]
        for block in self.blocks:
            states = block(states, cosines, sines)
        return normed(states)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Returns the negative log-likelihood, in nats, of targets (batch, length); IGNORED ones
        count zero.

        In training it is summed, a scalar; in evaluation there is one for each target, of float32.
        """
        hidden = self.hidden(ids).flatten(0, 1)
        if self.training:
            return summed_loss(hidden, self.embedding, targets.flatten())
        return token_losses(hidden, self.embedding, targets.flatten()).view_as(targets)


class Block(nn.Module):
    """Attention and feed-forward, each added to the residual stream."""

    def __init__(self, config: Model) -> None:
        super().__init__()
        width, size = config.hidden_size, config.hidden_size // config.num_heads
        self.heads, self.key_heads, self.size = config.num_heads, config.num_key_value_heads, size
        architecture = load_architecture(config.architecture)
        self.prepared_heads = architecture.prepared_heads
        self.scale = architecture.attention_scale(config)
        rows = {name: sum(sizes) for name, sizes in matrix_parts(config).items()}
        self.query_key_value = nn.Parameter(torch.empty(rows["query_key_value"], width))
        self.output = nn.Parameter(torch.empty(width, self.heads * size))
        self.gate_up = nn.Parameter(torch.empty(rows["gate_up"], width))
        self.down = nn.Parameter(torch.empty(width, config.intermediate_size))

    def forward(self, states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Returns the next states, (batch, length, width)."""
        states = states + self.attention(normed(states), cosines, sines)
        fed = gated(functional.linear(normed(states), self.gate_up))
        return states + functional.linear(fed, self.down)

    def attention(self, states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Returns what causal attention adds to states, (batch, length, width)."""
        batch, length, _ = states.shape
        projected = functional.linear(states, self.query_key_value)
        projected = projected.view(batch, length, -1, self.size)
        rotated, values = projected.split([self.heads + self.key_heads, self.key_heads], dim=2)
        rotated = rotate(self.prepared_heads(rotated), cosines, sines)
        queries, keys = rotated.split([self.heads, self.key_heads], dim=2)
        mixed = causal_attention(
            queries.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), self.scale
        )
        return functional.linear(mixed.transpose(1, 2).flatten(2), self.output)
