"""The trained model, ready to write: it reads ids one after another and keeps what it has read.

transformers' classes take milliseconds a token in Python alone, and their caches grow by copying.
Here a token costs a dozen operations a block, on keys and values that have their place from the
start. The logits are those of the transformers class; a test compares the two.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from tohum.model.operations import rotate

KNOWN = ("llama", "qwen3")  # transformers' model types
# Ids that a processor reads at once. Attention looks at all keys, those after an id too: 960 ids of
# the default model take 63 ms in such pieces, 104 ms at once, and 108 ms by 64.
PIECE = 256
# Of this much after a prompt, as a share of the context and in bytes, the logits are kept: editors
# ask for it again and again. A text in circles would come faster than a browser can show it.
KEPT_SHARE, KEPT_BYTES = 1 / 16, 4 << 20


class Reader(Protocol):
    """What writing needs of a model."""

    context: int

    def logits(self, ids: Sequence[int]) -> Tensor:
        """Returns the logits, (vocabulary,) of float32 on the CPU, of what comes after the ids.

        There are at least one and at most `context` ids. What it has just read of the same
        beginning is not read again.
        """


class Decoder:
    """The weights of a model, which any number of passages share.

    Args:
        model: a transformers model of one of the types KNOWN, in evaluation mode.

    Raises:
        ValueError: it is of another type.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        if config.model_type not in KNOWN:
            raise ValueError(f"the type {config.model_type!r} is not one of {', '.join(KNOWN)}")
        self.context = int(config.max_position_embeddings)
        self.heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.size = config.head_dim
        self.epsilon = config.rms_norm_eps
        weights = {name: value.detach() for name, value in model.state_dict().items()}
        self.embedding = weights["model.embed_tokens.weight"]
        self.output = weights.get("lm_head.weight", self.embedding)
        self.last_norm = weights["model.norm.weight"]
        self.layers = [
            _Layer(weights, f"model.layers.{number}.") for number in range(config.num_hidden_layers)
        ]
        theta = config.rope_parameters["rope_theta"]
        halves = torch.arange(0, self.size, 2, dtype=torch.float32) / self.size
        angles = torch.outer(torch.arange(self.context, dtype=torch.float32), theta**-halves)
        self.cosines = angles.cos()[:, None].to(self.embedding)
        self.sines = angles.sin()[:, None].to(self.embedding)

    def passage(self) -> "Passage":
        """Returns a place to read in."""
        return Passage(self)


class Passage:
    """A `Reader` with the keys and values of the ids that it has read, and their latest logits: who
    types what was suggested asks for nothing new.

    It is not thread-safe. It holds 2 x layers x context x key heads x head size values.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.context = decoder.context
        self.ids: list[int] = []
        shape = (len(decoder.layers), 2, decoder.key_heads, decoder.context, decoder.size)
        self._kept = decoder.embedding.new_empty(shape)
        self._logits: dict[int, Tensor] = {}  # of what comes after so many ids
        self._size = self._prompt = 0  # of what was asked about last, and before it was written on

    def common(self, ids: Sequence[int]) -> int:
        """Returns how many of the first ids it has read already."""
        return common_start(self.ids, ids)

    def adopt(self, other: Any, count: int) -> None:
        """Copies what another passage of the decoder has read: the first `count` ids of it."""
        self._kept[..., :count, :] = other._kept[..., :count, :]
        self.ids = other.ids[:count]
        self._logits = {size: known for size, known in other._logits.items() if size <= count}

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> Tensor:
        """As `Reader.logits`."""
        common, size = self.common(ids), len(ids)
        if size != self._size + 1:
            self._prompt = size
        self._size = size
        near = size - self._prompt < KEPT_SHARE * self.context
        if near and common == size and size in self._logits:
            return self._logits[size]
        after = self.ids[size:] if common == size else []
        start = min(common, size - 1)
        self.ids = []  # until it is done, nothing is certain
        new = torch.tensor(ids[start:], device=self.decoder.embedding.device)
        logits = self._read(new, start).float().cpu()
        self.ids = [*ids, *after]
        if size > common:  # another text from there on
            self._logits = {each: known for each, known in self._logits.items() if each <= common}
        if near:
            self._keep(logits)
        return logits

    def _keep(self, logits: Tensor) -> None:
        most = KEPT_BYTES // logits.nbytes
        while self._logits and len(self._logits) >= most:
            del self._logits[next(iter(self._logits))]
        if most:
            self._logits[self._size] = logits

    def _read(self, new: Tensor, start: int) -> Tensor:
        pieces = new.split(PIECE if new.device.type == "cpu" else len(new))
        for piece in pieces:
            state = self._last_state(piece, start)
            start += len(piece)
        return functional.linear(state, self.decoder.output)

    def _last_state(self, new: Tensor, start: int) -> Tensor:
        """Reads new ids; returns the normed last state, (width,), of the last one."""
        decoder, stop = self.decoder, start + len(new)
        cosines, sines = decoder.cosines[start:stop], decoder.sines[start:stop]
        shape = (decoder.size,)
        # A row of the mask for each new id: it sees itself and what is before it.
        mask = None
        if len(new) > 1:
            mask = torch.ones(len(new), stop, dtype=torch.bool, device=new.device).tril(start)
        states = functional.embedding(new, decoder.embedding)
        width = states.shape[-1:]
        for layer, (keys, values) in zip(decoder.layers, self._kept, strict=True):
            normed = functional.rms_norm(states, width, layer.input_norm, decoder.epsilon)
            heads = functional.linear(normed, layer.query_key_value).view(len(new), -1, *shape)
            queries = heads[:, : decoder.heads]
            new_keys = heads[:, decoder.heads : decoder.heads + decoder.key_heads]
            if layer.query_norm is not None:
                queries = functional.rms_norm(queries, shape, layer.query_norm, decoder.epsilon)
                new_keys = functional.rms_norm(new_keys, shape, layer.key_norm, decoder.epsilon)
            keys[:, start:stop] = rotate(new_keys, cosines, sines).transpose(0, 1)
            values[:, start:stop] = heads[:, decoder.heads + decoder.key_heads :].transpose(0, 1)
            mixed = functional.scaled_dot_product_attention(
                rotate(queries, cosines, sines).transpose(0, 1)[None],
                keys[None, :, :stop],
                values[None, :, :stop],
                attn_mask=mask,
                enable_gqa=decoder.heads != decoder.key_heads,
            )
            mixed = mixed[0].transpose(0, 1).flatten(1)
            states = states + functional.linear(mixed, layer.output)
            normed = functional.rms_norm(states, width, layer.middle_norm, decoder.epsilon)
            gate, up = functional.linear(normed, layer.gate_up).chunk(2, dim=-1)
            states = states + functional.linear(functional.silu(gate) * up, layer.down)
        return functional.rms_norm(states[-1], width, decoder.last_norm, decoder.epsilon)


def common_start(read: list[int], asked: Sequence[int]) -> int:
    """Returns how many of the first ids are equal; one comparison of lists where one begins with
    the other.
    """
    size = min(len(read), len(asked))
    if read[:size] == list(asked[:size]):
        return size
    pairs = enumerate(zip(read, asked, strict=False))
    return next(place for place, (one, two) in pairs if one != two)


class _Layer:
    """The weights of a block, stacked where they read the same."""

    def __init__(self, weights: dict[str, Tensor], prefix: str) -> None:
        def stacked(*names: str) -> Tensor:
            return torch.cat([weights[f"{prefix}{name}.weight"] for name in names])

        self.query_key_value = stacked("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
        self.output = stacked("self_attn.o_proj")
        self.gate_up = stacked("mlp.gate_proj", "mlp.up_proj")
        self.down = stacked("mlp.down_proj")
        self.input_norm = stacked("input_layernorm")
        self.middle_norm = stacked("post_attention_layernorm")
        self.query_norm = weights.get(f"{prefix}self_attn.q_norm.weight")
        self.key_norm = weights.get(f"{prefix}self_attn.k_norm.weight")
