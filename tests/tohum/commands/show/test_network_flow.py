from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.tohum.commands.show.asking import asked
from tohum.commands.show.network_flow import MOST_CHIPS, read_flow, show

pytestmark = pytest.mark.usefixtures("in_project")
LM = Path("models/lm")


def test_the_weights_are_all_counted() -> None:
    sizes = read_flow(LM, asked("network", "a")).sizes
    stored = load_file(LM / "model.safetensors")
    matrices = sum(weight.numel() for name, weight in stored.items() if weight.dim() == 2)
    assert sizes.total == matrices == sizes.embedding + sizes.attention + sizes.feed_forward


def test_the_numbers_are_those_of_the_tokens_embeddings() -> None:
    flow = read_flow(LM, asked("network", "x = 1"))
    embedding = load_file(LM / "model.safetensors")["model.embed_tokens.weight"]
    for id, row in zip(flow.ids, flow.numbers, strict=True):
        assert row == pytest.approx(embedding[id, : len(row)].tolist())


@pytest.mark.parametrize("text", ["x", "def f(x):\n    return x\n" * 3])
def test_a_text_of_any_length_fits(text: str) -> None:
    lines, drawing = show(asked("network", text), 60)
    assert max(map(len, lines)) <= 60
    assert 2 < drawing.svg().count('class="chip') <= MOST_CHIPS + 2
