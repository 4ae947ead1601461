"""The numbers of a text on their way through the model: tokens, embeddings, blocks, probabilities.

The strips are real: the first numbers of each token's embedding, as the model has learned them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tohum.cached_decoder import Decoder
from tohum.commands.printing import cut
from tohum.commands.show.config import Show
from tohum.commands.show.drawing import (
    CHIPS,
    MARGIN,
    WIDTH,
    Drawing,
    chip_width,
)
from tohum.commands.show.lettering import padded, seen_token, wrapped
from tohum.commands.show.next_tokens import NextToken, add_bars, likeliest, percent, prompt_of
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.inference import load_language_model
from tohum.translation import translated_label

NUMBERS = 12  # of each embedding that are shown
MOST_CHIPS = 12  # the last tokens of a longer text
MOST_BARS = 6
CELL = 9


@dataclass
class Sizes:
    """The sizes of a model, and how many numbers its parts have learned."""

    vocabulary: int
    width: int
    blocks: int
    heads: int
    inner: int
    embedding: int
    attention: int
    feed_forward: int
    total: int


@dataclass
class Flow:
    """A text in the model: its tokens, the first numbers of each one's embedding, and what comes
    next.
    """

    ids: list[int]
    letters: list[str]
    numbers: list[list[float]]
    sizes: Sizes
    candidates: list[NextToken]


def show(options: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    flow = read_flow(Path("models/lm"), options)
    return _lines(flow, width), _drawing(flow)


def read_flow(folder: Path, options: Show) -> Flow:
    """Returns what a model computes of a text."""
    text = options.wanted_text("network")
    model = load_language_model(folder)
    prompt = prompt_of(model, text, options.chat)
    assert isinstance(model.decoder, Decoder)
    embedding = model.decoder.embedding
    ids = prompt.ids[-MOST_CHIPS:]
    rows = embedding[torch.tensor(ids, device=embedding.device)][:, :NUMBERS].float()
    count = min(options.count, MOST_BARS)
    return Flow(
        ids,
        [seen_token(id, model.vocabulary) for id in ids],
        rows.tolist(),
        _sizes(model.decoder),
        likeliest(model, prompt, count, 1.0),
    )


def _sizes(decoder: Any) -> Sizes:
    vocabulary, width = decoder.embedding.shape
    layers = decoder.layers
    attention = sum(one.query_key_value.numel() + one.output.numel() for one in layers)
    feed_forward = sum(one.gate_up.numel() + one.down.numel() for one in layers)
    embedding = decoder.embedding.numel()
    return Sizes(
        vocabulary,
        width,
        len(layers),
        decoder.heads,
        layers[0].down.shape[1],
        embedding,
        attention,
        feed_forward,
        embedding + attention + feed_forward,
    )


def _lines(flow: Flow, width: int) -> list[str]:
    sizes = flow.sizes
    rows = [
        ("embedding", f"{sizes.vocabulary:,} tokens x {sizes.width}", sizes.embedding),
        ("attention", f"{sizes.blocks} blocks, {sizes.heads} heads each", sizes.attention),
        ("feed-forward", f"{sizes.blocks} blocks, {sizes.inner} wide", sizes.feed_forward),
    ]
    names = ", ".join(f"{one:+.2f}" for one in flow.numbers[-1][:6])
    lines = ["1. tokens", *(f"   {line}" for line in wrapped(flow.letters, width - 3))]
    lines += ["2. ids", *(f"   {line}" for line in wrapped(map(str, flow.ids), width - 3, " "))]
    lines += [f"3. embedding of the last token: {sizes.width} numbers", f"   {names}, ..."]
    lines.append(f"4. {sizes.blocks} blocks compute with them")
    for name, size, count in rows:
        lines.append(
            f"   {padded(translated_label(name), 12)}  {count:>11,} weights" + f"  ({size})"
        )
    lines.append(f"   {padded(translated_label('all'), 12)}  {sizes.total:>11,} weights")
    lines.append("5. probabilities of the next token")
    lines += [f"   {percent(one.chance):>6}  {one.letters}" for one in flow.candidates]
    return [cut(line, width) for line in lines]


def _drawing(flow: Flow) -> Drawing:
    drawing = Drawing("A text on its way through the model")
    y = _heading(drawing, MARGIN, "1", "tokens")
    chips = _fitting(flow.letters)
    start = MARGIN + 110.0
    places = []
    x = start
    for place in chips:
        letters = flow.letters[place]
        special = flow.ids[place] < len(SPECIAL_TOKENS)
        width = drawing.chip(x, y, letters, "pale" if special else f"chip{place % CHIPS}")
        places.append((x, width))
        x += max(width, CELL * 2) + 6
    _heading(drawing, y + 34, "2", "ids")
    for (x, width), place in zip(places, chips, strict=True):
        drawing.text(x + width / 2, y + 46, str(flow.ids[place]), "soft", "middle", 11)
    y += 68
    _strips(drawing, y, places, [flow.numbers[place] for place in chips])
    _heading(drawing, y + 24, "3", "embeddings")
    drawing.text(MARGIN + 20, y + 54, f"{flow.sizes.width} numbers", "soft", size=11)
    y += NUMBERS * CELL + 12
    drawing.arrow(WIDTH / 2, y, y + 18)
    y = _blocks(drawing, y + 24, flow.sizes)
    drawing.arrow(WIDTH / 2, y + 6, y + 24)
    y += 34
    _heading(drawing, y, "5", "next token")
    add_bars(drawing, flow.candidates, start, y)
    return drawing


def _heading(drawing: Drawing, y: float, number: str, name: str) -> float:
    """Adds a step's name at the left, and returns y."""
    drawing.text(MARGIN, y + 17, number, "first", bold=True)
    drawing.text(MARGIN + 20, y + 17, name)
    return y


def _fitting(letters: list[str]) -> list[int]:
    """Returns the places of the last tokens whose boxes fit into a row."""
    room = WIDTH - 2 * MARGIN - 110.0
    places: list[int] = []
    for place in reversed(range(len(letters))):
        room -= max(chip_width(letters[place]), CELL * 2) + 6
        if room < 0:
            break
        places.insert(0, place)
    return places or [len(letters) - 1]


def _strips(
    drawing: Drawing, y: float, places: list[tuple[float, float]], numbers: list[list[float]]
) -> None:
    """Adds the first numbers of each embedding: blue above zero, orange below."""
    most = max(abs(one) for row in numbers for one in row) or 1
    for (x, width), row in zip(places, numbers, strict=True):
        left = x + width / 2 - CELL
        for place, one in enumerate(row):
            top = y + place * CELL
            drawing.box(left, top, CELL * 2, CELL - 1, "pale", radius=1)
            colour = "first" if one > 0 else "second"
            opacity = max(0.02, min(0.999, abs(one) / most))
            drawing.box(left, top, CELL * 2, CELL - 1, colour, opacity, 1, tip=f"{one:+.3f}")


def _blocks(drawing: Drawing, y: float, sizes: Sizes) -> float:
    """Adds the blocks as a stack of cards, the first one open, and returns where they end."""
    left, width, height = MARGIN + 110.0, WIDTH - 2 * MARGIN - 110.0, 92.0
    behind = min(sizes.blocks - 1, 3)
    for number in range(behind, 0, -1):
        drawing.box(
            left + 6 * number, y + 6 * number, width - 6 * behind, height, "panel", 1, 8, "line"
        )
    inner = width - 6 * behind
    drawing.box(left, y, inner, height, "panel", 1, 8, "line")
    _heading(drawing, y + 14, "4", f"{sizes.blocks} blocks")
    half = (inner - 3 * 14) / 2
    for number, (name, told, count) in enumerate(
        (
            ("attention", "looks at earlier tokens", sizes.attention),
            ("feed-forward", "works on each token", sizes.feed_forward),
        )
    ):
        x = left + 14 + number * (half + 14)
        drawing.box(x, y + 14, half, height - 28, f"chip{(3, 2)[number]}", 1, 6)
        drawing.text(x + half / 2, y + 36, name, "ink", "middle", 14, bold=True)
        drawing.text(x + half / 2, y + 53, told, "ink", "middle", 12)
        each = f"{count // sizes.blocks:,} weights in each block"
        drawing.text(x + half / 2, y + 69, each, "soft", "middle", 11)
    return y + height + 6 * behind
