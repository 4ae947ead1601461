"""A text as the tokenizer cuts it: its tokens with their ids.

With an answer it is a conversation as training sees it. The loss counts the answer and its end: the
model learns to answer, not to ask.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tohum.commands.printing import counted
from tohum.commands.show.config import Show
from tohum.commands.show.drawing import CHIPS, MARGIN, WIDTH, Drawing, chip_width
from tohum.commands.show.lettering import columns, padded, seen_token, wrapped
from tohum.formats.records import marked_texts
from tohum.formats.special_tokens import ROLE_IDS, SPECIAL_TOKENS
from tohum.formats.tokenizer import load_tokenizer, token_bytes

ROW = 56  # from one row of boxes to the next
GAP = 4
LONGEST_LIST = 40  # tokens that are listed one by one on the terminal


@dataclass
class SeenToken:
    """A token: its id, letters, and bytes of text, and whether the loss counts it."""

    id: int
    letters: str
    size: int
    counts: bool = True


def show(options: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    text = options.wanted_text("tokens")
    tokens = tokens_of(text, options.answer, Path("models/tokenizer"))
    return _lines(tokens, text + (options.answer or ""), width), _drawing(tokens, options.answer)


def tokens_of(text: str, answer: str | None, folder: Path) -> list[SeenToken]:
    """Returns the tokens of a text, or of a question and its answer."""
    tokenizer = load_tokenizer(folder)
    vocabulary = token_bytes(tokenizer)

    def tokens(ids: Iterable[int], counts: bool) -> list[SeenToken]:
        return [
            SeenToken(id, seen_token(id, vocabulary), len(vocabulary[id]), counts) for id in ids
        ]

    def encoded(part: str) -> list[int]:
        ids: list[int] = tokenizer.encode(part, add_special_tokens=False).ids
        return ids

    if answer is None:
        return tokens(encoded(text), True)
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    found = []
    for part in marked_texts({"messages": messages}):
        answers = part.before[-1] == ROLE_IDS["assistant"]
        found += tokens(part.before, False)
        found += tokens([*encoded(part.text), *part.after], answers)
    return found


def _lines(tokens: list[SeenToken], text: str, width: int) -> list[str]:
    masked = not all(token.counts for token in tokens)
    lines = wrapped([token.letters for token in tokens], width)
    if len(tokens) <= LONGEST_LIST:
        widest = max([5, *(columns(token.letters) for token in tokens)])
        lines += ["", f"{padded('token', widest)}     id  bytes" + ("  loss" if masked else "")]
        lines += [
            f"{padded(token.letters, widest)}  {token.id:>5}  {token.size:>5}"
            + ((f"  {'counts' if token.counts else '-'}") if masked else "")
            for token in tokens
        ]
    size = len(text.encode())
    own = sum(token.id >= len(SPECIAL_TOKENS) for token in tokens)
    average = f", {size / own:.1f} bytes per token" if own else ""
    said = f"{counted(own, 'token')} for {counted(size, 'byte')}"
    return [*lines, "", said + average]


def _drawing(tokens: list[SeenToken], answer: str | None) -> Drawing:
    drawing = Drawing("A text in tokens" if answer is None else "A conversation in tokens")
    x, y = float(MARGIN), float(MARGIN)
    if answer is not None:
        y += _legend(drawing)
    for number, token in enumerate(tokens):
        size = chip_width(token.letters)
        if x + size > WIDTH - MARGIN and x > MARGIN:
            x, y = MARGIN, y + ROW
        colour = f"chip{number % CHIPS}" if answer is None else "chip2" if token.counts else "pale"
        drawing.chip(x, y, token.letters, colour)
        drawing.text(x + size / 2, y + 40, str(token.id), "soft", "middle", 10)
        x += size + GAP
    return drawing


def _legend(drawing: Drawing) -> int:
    """Adds what the two colours mean, and returns its height."""
    drawing.box(MARGIN, MARGIN, 14, 14, "chip2", radius=3)
    drawing.text(MARGIN + 20, MARGIN + 12, "the loss counts it")
    drawing.box(MARGIN + 160, MARGIN, 14, 14, "pale", radius=3)
    drawing.text(MARGIN + 180, MARGIN + 12, "given, not learned")
    return 34
