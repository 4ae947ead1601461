import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.tiny import model_and_train
from tohum.model.config import Model
from tohum.model.network import Network
from tohum.model.operations import normed, rotate

SHAPES = {
    "tiny": (),
    "grouped": ("model.num_heads=4", "model.num_key_value_heads=2"),
    "wide heads": ("model.num_heads=1", "model.num_key_value_heads=1"),
}


def network_of(*overrides: str) -> tuple[Network, Model]:
    config, _ = model_and_train("model.hidden_size=64", "model.context_length=32", *overrides)
    torch.manual_seed(0)
    return Network(config, vocab_size=300), config


@torch.no_grad()
def first_head(network: Network, config: Model, ids: Tensor) -> Tensor:
    """The attention of the first block's first head, (length, length)."""
    block, size = network.blocks[0], config.hidden_size // config.num_heads
    states = normed(functional.embedding(ids, network.embedding))
    projected = functional.linear(states, block.query_key_value)  # type: ignore[arg-type]
    heads = projected.view(1, len(ids), -1, size)[:, :, : config.num_heads + 1]
    heads = rotate(block.prepared_heads(heads), network.cosines, network.sines)  # type: ignore[operator]
    products = heads[0, :, 0] @ heads[0, :, config.num_heads].T * block.scale  # type: ignore[operator]
    hidden = torch.ones(len(ids), len(ids)).triu(1) > 0
    return products.masked_fill(hidden, -torch.inf).softmax(-1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_head_looks_at_the_token_before(shape: str) -> None:
    network, config = network_of(*SHAPES[shape])
    weights = first_head(network, config, torch.randint(300, (32,)))
    assert (weights[1:].argmax(1) == torch.arange(31)).all()
    assert weights[1:].diagonal().mean() > 0.4


def test_normal_weights_look_nowhere() -> None:
    network, config = network_of("model.initialization=normal")
    weights = first_head(network, config, torch.randint(300, (32,)))
    assert weights[1:].diagonal().mean() < 0.1


def test_the_constant_changes_no_probability() -> None:
    network, _ = network_of()
    ids = torch.randint(300, (1, 32))
    with torch.no_grad():
        hidden = network.hidden(ids)
        plain = network.embedding.clone()
        plain[:, 0] = 0
        whole = (hidden @ network.embedding.T).log_softmax(-1)
        assert torch.allclose(whole, (hidden @ plain.T).log_softmax(-1), atol=1e-5)


def test_values_and_outputs_of_a_head_are_orthonormal() -> None:
    network, config = network_of()
    size = config.hidden_size // config.num_heads
    for block in list(network.blocks)[1:]:
        values = block.query_key_value[2 * config.hidden_size :][:size]  # type: ignore[index]
        output = block.output[:, :size]  # type: ignore[index]
        assert torch.allclose(values @ values.T, torch.eye(size), atol=1e-5)
        grams = output.T @ output
        assert torch.allclose(grams, torch.eye(size) * grams[0, 0], atol=1e-6)
