from pathlib import Path

import pytest
import torch

from tests.tohum.commands.show.asking import asked
from tohum.commands.show.next_tokens import likeliest, percent, probabilities, prompt_of, show
from tohum.inference import load_language_model

pytestmark = pytest.mark.usefixtures("in_project")


def test_the_likeliest_come_first_and_all_add_up_to_one() -> None:
    model = load_language_model(Path("models/lm"))
    prompt = prompt_of(model, "def ", chat=False)
    every = likeliest(model, prompt, 10_000, 1.0)
    chances = [one.chance for one in every]
    assert len(every) == 300
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)
    first = likeliest(model, prompt, 3, 1.0)
    assert [one.letters for one in first] == [one.letters for one in every[:3]]


def test_a_low_temperature_sharpens() -> None:
    logits = torch.tensor([1.0, 2.0, 3.0])
    cold, warm, hot = (probabilities(logits, one)[2].item() for one in (0.1, 1.0, 10.0))
    assert cold > warm > hot > 1 / 3


@pytest.mark.parametrize("chat", ["chat=true", "chat=false"])
def test_a_text_longer_than_the_context_is_cut_at_its_start(chat: str) -> None:
    model = load_language_model(Path("models/lm"))
    assert len(prompt_of(model, "word " * 99, chat == "chat=true").ids) <= model.context
    assert show(asked("next", "word " * 99, chat), 40)


@pytest.mark.parametrize("width", [24, 80])
def test_the_lines_fit_the_terminal(width: int) -> None:
    lines, drawing = show(asked("next", "x"), width)
    assert max(map(len, lines[1:-2])) <= width
    assert drawing.svg().count("<rect") == 1 + 10


def test_a_tiny_share_is_not_called_zero() -> None:
    assert [percent(one) for one in (1.0, 0.123, 0.0001)] == ["100.0%", "12.3%", "<0.1%"]


def test_a_space_at_the_end_is_told_because_it_belongs_to_the_next_token() -> None:
    said = [show(asked("next", text), 80)[0][-1] for text in ("x ", "x")]
    assert ["ends in a space" in line for line in said] == [True, False]
