import pytest
import torch

from stages.evaluate.export import export
from tests.tiny import model_and_train
from tohum.model.determinism import set_determinism
from tohum.model.network import Network

LLAMA = "model.architecture=llama"
SHAPES = {  # of every architecture, and of what else changes the products
    "llama": (LLAMA,),
    "qwen3": ("model.architecture=qwen3",),
    "grouped": (LLAMA, "model.num_heads=4", "model.num_key_value_heads=2"),
    "sharp": ("model.architecture=qwen3", "model.query_key_gain=7"),
    "deep": ("model.num_layers=5", "model.num_heads=1", "model.num_key_value_heads=1"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_exported_model_gives_the_logits_of_the_network(shape: str) -> None:
    config, run = model_and_train("model.initializer_range=0.3", *SHAPES[shape])
    set_determinism(run.seed, run.threads)
    network = Network(config, vocab_size=50).eval()
    ids = torch.randint(50, (3, 16))
    with torch.inference_mode():
        logits = network.hidden(ids) @ network.embedding.T
        exported = export(network.state_dict(), config)(input_ids=ids).logits
    assert torch.allclose(logits, exported, atol=2e-4, rtol=2e-4)
    assert logits.std() > 0.1  # no two constant answers


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_the_exported_model(shape: str) -> None:
    config, run = model_and_train("model.initializer_range=0.3", *SHAPES[shape])
    set_determinism(run.seed, run.threads)
    network = Network(config, vocab_size=50)
    ids = torch.randint(9, 50, (3, 17))  # transformers gives the padding token no gradient
    network(ids[:, :-1], ids[:, 1:]).backward()
    model = export(network.state_dict(), config).train()
    logits = model(input_ids=ids[:, :-1]).logits
    torch.nn.functional.cross_entropy(logits.mT, ids[:, 1:], reduction="sum").backward()
    theirs = dict(model.named_parameters())
    embedding = theirs["model.embed_tokens.weight"].grad
    assert embedding is not None and network.embedding.grad is not None
    assert torch.allclose(network.embedding.grad, embedding, atol=1e-3, rtol=1e-3)
    for name, size in (("q_proj", 0), ("k_proj", 1), ("v_proj", 2)):
        ours = network.blocks[0].query_key_value.grad
        assert isinstance(ours, torch.Tensor)
        gradient = theirs[f"model.layers.0.self_attn.{name}.weight"].grad
        assert gradient is not None
        part = ours.split(network.parts["query_key_value"])[size]
        assert torch.allclose(part, gradient, atol=1e-3, rtol=1e-3), name


def test_a_gain_of_queries_changes_only_a_network_that_norms_them() -> None:
    ids = torch.arange(9, 25)[None]

    def hidden(*overrides: str) -> torch.Tensor:
        config, run = model_and_train("model.initializer_range=0.3", *overrides)
        set_determinism(run.seed, run.threads)
        return Network(config, vocab_size=50).hidden(ids)

    one, seven = "model.query_key_gain=1", "model.query_key_gain=7"
    assert torch.equal(hidden(LLAMA, one), hidden(LLAMA, seven))
    assert not torch.allclose(hidden(one), hidden(seven))


def test_what_comes_later_changes_nothing_before_it() -> None:
    config, _ = model_and_train("model.initializer_range=0.3")
    network = Network(config, vocab_size=50).eval()
    ids = torch.randint(50, (1, 16))
    changed = ids.clone()
    changed[0, 9] = (ids[0, 9] + 1) % 50
    with torch.inference_mode():
        one, two = network.hidden(ids), network.hidden(changed)
    assert torch.equal(one[:, :9], two[:, :9])
    assert not torch.allclose(one[:, 9:], two[:, 9:])


def test_a_shorter_window_is_the_start_of_a_longer_one() -> None:
    config, _ = model_and_train()
    network = Network(config, vocab_size=50).eval()
    ids = torch.randint(50, (2, 16))
    with torch.inference_mode():
        long, short = network.hidden(ids), network.hidden(ids[:, :5])
    assert torch.allclose(long[:, :5], short, atol=1e-5)
