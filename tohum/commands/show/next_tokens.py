"""The likeliest next tokens of a text, with their probabilities: what a language model computes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tohum.commands.show.config import Show
from tohum.commands.show.drawing import MARGIN, WIDTH, Drawing, letters_width
from tohum.commands.show.lettering import bar, columns, padded, seen_token
from tohum.decoding import Prompt, chat_prompt, text_prompt
from tohum.inference import LanguageModel, load_language_model

ROW = 30
LONGEST_BAR = 40  # columns of a terminal
LAST_LETTERS = 48  # of the text, in the heading


@dataclass
class NextToken:
    """A token that may come next, and its probability."""

    letters: str
    chance: float


def show(options: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    text = options.wanted_text("next")
    model = load_language_model(Path("models/lm"))
    prompt = prompt_of(model, text, options.chat)
    candidates = likeliest(model, prompt, options.count, options.temperature)
    return _lines(candidates, text, width), _drawing(candidates, text)


def prompt_of(model: LanguageModel, text: str, chat: bool) -> Prompt:
    """Returns a text, or a question up to where its answer begins, as the model reads it; of a text
    that is too long, its end.
    """
    if chat:
        return chat_prompt(model.tokenizer, [{"role": "user", "content": text}], model.context)
    prompt = text_prompt(model.tokenizer, text)
    room = model.context - 1
    return Prompt([prompt.ids[0], *prompt.ids[1:][-room:]], may_outgrow=True)


def likeliest(
    model: LanguageModel, prompt: Prompt, count: int, temperature: float
) -> list[NextToken]:
    """Returns the `count` likeliest next tokens."""
    chances = probabilities(model.reader.logits(prompt.ids), temperature)
    best = torch.topk(chances, min(count, len(chances)))
    return [
        NextToken(seen_token(int(id), model.vocabulary), float(chance))
        for chance, id in zip(best.values, best.indices, strict=True)
    ]


def probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Returns the probability of each token, (vocabulary,), at a temperature."""
    return torch.softmax(logits.double() / temperature, dim=-1)


def add_bars(drawing: Drawing, candidates: list[NextToken], x: float, y: float) -> None:
    """Adds a bar for each candidate, as long as its probability is high."""
    names = max(letters_width(one.letters) for one in candidates) + 16
    longest = WIDTH - MARGIN - 60 - x - names
    for number, one in enumerate(candidates):
        top = y + number * ROW
        drawing.letters(x + names - 12, top + 16, one.letters, anchor="end")
        length = max(2.0, longest * one.chance)
        drawing.box(x + names, top + 3, length, 18, "first", 0.45 if number else 0.85, 3)
        drawing.text(x + names + length + 8, top + 16, percent(one.chance), "soft", size=12)


def percent(share: float) -> str:
    """Returns a share from 0 to 1 in percent."""
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _lines(candidates: list[NextToken], text: str, width: int) -> list[str]:
    names = max(columns(one.letters) for one in candidates)
    room = min(LONGEST_BAR, width - names - 10)
    lines = [f"after {text[-LAST_LETTERS:]!r}:", ""]
    for one in candidates:
        drawn = bar(one.chance, room) if room > 4 else ""
        lines.append(f"{padded(one.letters, names)}  {percent(one.chance):>6}  {drawn}".rstrip())
    rest = max(0.0, 1 - sum(one.chance for one in candidates))
    lines += ["", f"all other tokens together: {percent(rest)}"]
    if text.endswith(" "):  # tokens begin with their space, so training hardly ever ends in one
        lines += ["the text ends in a space, which is part of the next token: leave it out"]
    return lines


def _drawing(candidates: list[NextToken], text: str) -> Drawing:
    drawing = Drawing("The likeliest next tokens")
    shown = text.replace("\n", "⏎")
    shown = shown if len(shown) <= LAST_LETTERS else f"…{shown[-LAST_LETTERS:]}"
    drawing.letters(MARGIN, MARGIN + 14, shown)
    drawing.text(MARGIN + letters_width(shown) + 10, MARGIN + 14, "and then?", "soft")
    add_bars(drawing, candidates, MARGIN, MARGIN + 36)
    return drawing
