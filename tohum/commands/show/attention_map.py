"""Attention: how much each token of a text looks at each token before it.

A row of the picture is a token, its columns the tokens it may look at: itself and those before it.
The shares of a row add up to one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tohum.commands.show.config import Show
from tohum.commands.show.drawing import MARGIN, WIDTH, Drawing, letters_width
from tohum.commands.show.lettering import columns, padded, seen_token
from tohum.commands.show.next_tokens import prompt_of
from tohum.errors import UserError
from tohum.inference import load_language_model

MOST_TOKENS = 40
NAMED = 3  # tokens that a row of the terminal names
CELL = 30
LONGEST_NAME = 14  # letters


@dataclass
class Attention:
    """The tokens of a text, and who looks at whom: (tokens, tokens), each row from one token."""

    letters: list[str]
    shares: list[list[float]]
    where: str


def show(options: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    attention = read_attention(Path("models/lm"), options)
    return _lines(attention, width), _drawing(attention)


def read_attention(folder: Path, options: Show) -> Attention:
    """Returns the attention that a model computes for a text.

    Raises:
        UserError: the text is too long for a picture, or the model has no such block or head.
    """
    text = options.wanted_text("attention")
    language_model = load_language_model(folder)
    ids = prompt_of(language_model, text, options.chat).ids
    if len(ids) > MOST_TOKENS:
        raise UserError(
            f"the text has {len(ids)} tokens, expected at most {MOST_TOKENS}: give a shorter one."
        )
    # the kernels that are used elsewhere never hold the shares
    transformers_logging.disable_progress_bar()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    config = model.config
    layer = _chosen("layer", options.layer, config.num_hidden_layers) or config.num_hidden_layers
    head = _chosen("head", options.head, config.num_attention_heads)
    with torch.inference_mode():
        found = model(torch.tensor([ids]), output_attentions=True).attentions[layer - 1][0]
    shares = found.mean(0) if head is None else found[head - 1]
    heads = "the mean of all heads" if head is None else f"head {head}"
    letters = [seen_token(id, language_model.vocabulary) for id in ids]
    return Attention(letters, shares.tolist(), f"block {layer}, {heads}")


def _chosen(key: str, value: int | None, most: int) -> int | None:
    if value is not None and value > most:
        raise UserError(f"{key} is {value}, expected at most {most}: the model has no more.")
    return value


def _lines(attention: Attention, width: int) -> list[str]:
    widest = max(map(columns, attention.letters))
    lines = [f"{attention.where}: what each token looks at", ""]
    for row, letters in enumerate(attention.letters):
        ranked = sorted(range(row + 1), key=lambda place: -attention.shares[row][place])
        line = f"{padded(letters, widest)} "
        for place in ranked[:NAMED]:
            part = f"  {attention.letters[place]} {attention.shares[row][place]:.0%}"
            if columns(line + part) > width and place != ranked[0]:
                break
            line += part
        lines.append(line)
    return lines


def _drawing(attention: Attention) -> Drawing:
    names = [_short(one) for one in attention.letters]
    widest = max(letters_width(name, 12) for name in names)
    left, top = MARGIN + widest + 10, MARGIN + 50
    cell = min(CELL, (WIDTH - left - MARGIN) / len(names))
    drawing = Drawing("Attention", max(420.0, left + cell * len(names) + MARGIN))
    drawing.text(MARGIN, MARGIN + 12, "Each row: what that token looks at")
    drawing.text(MARGIN, MARGIN + 30, f"{attention.where}; stronger is more", "soft", size=12)
    for row, name in enumerate(names):
        y = top + row * cell
        drawing.letters(left - 8, y + cell / 2 + 4, name, anchor="end", size=12)
        for column in range(row + 1):
            share = attention.shares[row][column]
            x = left + column * cell
            tip = f"{name} → {names[column]}: {share:.1%}"
            drawing.box(x, y, cell - 2, cell - 2, "pale", radius=3)
            drawing.box(x, y, cell - 2, cell - 2, "first", min(share, 0.999), 3, tip=tip)
        x = left + (row + 1) * cell
        if x + letters_width(name, 12) < drawing.width - MARGIN:  # the column's name, at its top
            drawing.letters(x + 4, y + cell / 2 + 4, name, "soft", size=12)
    return drawing


def _short(letters: str) -> str:
    return letters if len(letters) <= LONGEST_NAME else f"{letters[: LONGEST_NAME - 1]}…"
