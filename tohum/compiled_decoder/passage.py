"""A passage of the decoder that reads a few new ids with compiled code, on the CPU in float32.

Keys and values are those of `tohum.cached_decoder.Passage`, which still reads many ids at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor

from tohum.cached_decoder import Decoder, Passage
from tohum.compiled_decoder.block import read_block
from tohum.compiled_decoder.products import multiply, normalise
from tohum.kernels.arrays import Array

# A model of a million parameters, on one thread: 0.08 ms an id in compiled code; PyTorch takes 0.43
# ms for one id and 0.65 for eight.
FEW = 8
# PyTorch's threads wait for one another in each operation, which costs a small model more than they
# save if anything else is running: 40 to 300 ms instead of 8 for 128 ids.
SMALL = 20_000_000  # parameters


class CompiledDecoder(Decoder):
    """A `Decoder` whose passages are compiled where the weights are float32 on the CPU."""

    def passage(self) -> Passage:
        """Returns a place to read in."""
        weights = self.embedding
        compiled = weights.device.type == "cpu" and weights.dtype == torch.float32
        return CompiledPassage(self) if compiled else super().passage()


class CompiledPassage(Passage):
    """A `Passage` whose arrays are allocated once."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder)
        width = decoder.embedding.shape[1]
        every = (decoder.heads + 2 * decoder.key_heads) * decoder.size
        gates = len(decoder.layers[0].gate_up)
        rooms = (width, every, decoder.heads * decoder.size, gates, decoder.context)
        self._scratch = tuple(numpy.empty(size, numpy.float32) for size in rooms)
        self._embedding, self._output = decoder.embedding.numpy(), decoder.output.numpy()
        self._last_norm = decoder.last_norm.numpy()
        angles = torch.stack([decoder.cosines[:, 0], decoder.sines[:, 0]])
        self._angles = angles.contiguous().numpy()
        self._blocks = [
            (_matrices(layer), _norms(layer), *kept.numpy())
            for layer, kept in zip(decoder.layers, self._kept, strict=True)
        ]
        block = sum(matrix.size for matrix in self._blocks[0][0])
        self._small = len(self._blocks) * block < SMALL

    def _read(self, new: Tensor, start: int) -> Tensor:
        if len(new) > FEW:
            with _threads(1 if self._small else torch.get_num_threads()):
                return super()._read(new, start)
        epsilon = self.decoder.epsilon
        for position, id in enumerate(new.tolist(), start):
            state = self._embedding[id].copy()
            for weights, norms, keys, values in self._blocks:
                read_block(
                    state, position, weights, norms, keys, values, self._angles, self._scratch,
                    epsilon,
                )  # fmt: skip
        normalise(state, self._last_norm, epsilon, state)
        logits = torch.empty(len(self._output))
        multiply(self._output, state, logits.numpy())
        return logits


def _matrices(layer: Any) -> tuple[Array, ...]:
    weights = layer.query_key_value, layer.output, layer.gate_up, layer.down
    return tuple(weight.numpy() for weight in weights)


def _norms(layer: Any) -> tuple[Array, ...]:
    weights = layer.input_norm, layer.middle_norm, layer.query_norm, layer.key_norm
    none = numpy.empty(0, numpy.float32)
    return tuple(none if weight is None else weight.numpy() for weight in weights)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
