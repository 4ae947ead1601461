"""A block of the network for one new id, as `tohum.cached_decoder` computes it for many."""

import math

import numba

from tohum.compiled_decoder.products import mix, multiply, normalise, soften, summing
from tohum.kernels.arrays import Array


@summing
def read_block(
    state: Array,
    position: int,
    weights: tuple[Array, ...],
    norms: tuple[Array, ...],
    keys: Array,
    values: Array,
    angles: Array,
    scratch: tuple[Array, ...],
    epsilon: float,
) -> None:
    """Adds what a block computes to the state (width,) of the id at a position.

    Args:
        state: before and after.
        position: of the id; keys and values have those before it, and get its own.
        weights: query_key_value, output, gate_up, down, each (outer, inner).
        norms: input_norm, middle_norm, query_norm, key_norm; the last two are empty in a Llama.
        keys: (key heads, context, size).
        values: as the keys.
        angles: cosines and sines, (2, context, size / 2).
        scratch: room for what is between: added (width,), heads (all heads x size), mixed (heads x
            size), gates (2 x inner), scores (context,).
        epsilon: of the norms.
    """
    query_key_value, output, gate_up, down = weights
    input_norm, middle_norm, query_norm, key_norm = norms
    added, heads, mixed, gates, scores = scratch
    size, width = keys.shape[2], len(state)
    query_heads, key_heads = len(mixed) // size, len(keys)

    normalise(state, input_norm, epsilon, added)
    multiply(query_key_value, added, heads)
    for number in range(query_heads + key_heads):
        head = heads[number * size : (number + 1) * size]
        gain = query_norm if number < query_heads else key_norm
        if len(gain):
            normalise(head, gain, epsilon, head)
        _turn(head, angles[0, position], angles[1, position])
    for number in range(key_heads):
        first = (query_heads + number) * size
        for k in range(size):
            keys[number, position, k] = heads[first + k]
            values[number, position, k] = heads[first + key_heads * size + k]

    seen = scores[: position + 1]
    for number in range(query_heads):
        place = slice(number * size, (number + 1) * size)
        group = number * key_heads // query_heads
        multiply(keys[group], heads[place], seen)
        soften(seen, 1 / math.sqrt(size))
        mix(seen, values[group], mixed[place])
    multiply(output, mixed, added)
    for k in range(width):
        state[k] += added[k]

    normalise(state, middle_norm, epsilon, added)
    multiply(gate_up, added, gates)
    inner = len(gates) // 2
    for k in range(inner):
        gates[k] *= gates[inner + k] / (numba.float32(1) + math.exp(-gates[k]))
    multiply(down, gates[:inner], added)
    for k in range(width):
        state[k] += added[k]


@summing
def _turn(head: Array, cosines: Array, sines: Array) -> None:
    """Rotates a head by its position, as `tohum.model.layers.rotate`."""
    half = len(cosines)
    for k in range(half):
        one, two = head[k], head[half + k]
        head[k] = one * cosines[k] - two * sines[k]
        head[half + k] = two * cosines[k] + one * sines[k]
