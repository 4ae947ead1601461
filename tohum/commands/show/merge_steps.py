"""Merges: how byte-pair encoding makes a text's tokens out of its bytes, or a vocabulary.

It reads models/tokenizer/merges.csv. Each merge joins two neighbours, everywhere, and the earliest
merge that fits comes first: that is all an encoder does.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tohum.commands.printing import cut
from tohum.commands.show.config import Show
from tohum.commands.show.drawing import MARGIN, WIDTH, Drawing, chip_width, letters_width
from tohum.commands.show.lettering import bar, columns, padded, seen
from tohum.errors import UserError
from tohum.formats.alphabet import byte_ids
from tohum.formats.tokenizer import load_tokenizer, token_bytes

GAP, ROW = 4, 32
NOTE_WIDTH = 200  # of what is said beside a row


@dataclass
class KnownMerge:
    """A merge: the id it makes, the two it joins, and how often the corpus had them."""

    id: int
    left: int
    right: int
    count: int


@dataclass
class MergeStep:
    """A pretoken after a merge; None before the first."""

    ids: list[int]
    merge: KnownMerge | None


def show(options: Show, width: int) -> tuple[list[str], Drawing]:
    """Returns the lines for a terminal of a width, and the drawing."""
    folder = Path("models/tokenizer")
    tokenizer = load_tokenizer(folder)
    vocabulary = token_bytes(tokenizer)
    merges = read_merges(folder)
    if options.text is None:
        first = merges[: options.count]
        return _list_lines(first, vocabulary, width), _list_drawing(first, vocabulary)
    words = [
        text.encode() for text in _pretokens(tokenizer.pre_tokenizer, options.wanted_text("merges"))
    ]
    pairs = by_pair(merges)
    steps = [merge_steps(word, pairs) for word in words]
    return _step_lines(steps, vocabulary, width), _step_drawing(steps, vocabulary)


def read_merges(folder: Path) -> list[KnownMerge]:
    """Returns the merges of a tokenizer, first to last.

    Raises:
        UserError: the file is missing.
    """
    path = folder / "merges.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing. Run `dvc repro tokenizer`.")
    with path.open(encoding="utf-8", newline="") as file:
        return [
            KnownMerge(*(int(row[name]) for name in ("id", "left", "right", "count")))
            for row in csv.DictReader(file)
        ]


def by_pair(merges: list[KnownMerge]) -> dict[tuple[int, int], KnownMerge]:
    """Returns the merges by the pair that each joins."""
    return {(merge.left, merge.right): merge for merge in merges}


def merge_steps(word: bytes, pairs: dict[tuple[int, int], KnownMerge]) -> list[MergeStep]:
    """Returns a pretoken as its bytes, and after each merge that changes it."""
    of_byte = byte_ids()
    ids = [of_byte[byte] for byte in word]
    steps = [MergeStep(ids, None)]
    while True:
        found = [pairs[pair] for pair in pairwise(ids) if pair in pairs]
        if not found:
            return steps
        merge = min(found, key=lambda one: one.id)
        ids = _joined(ids, merge)
        steps.append(MergeStep(ids, merge))


def _joined(ids: list[int], merge: KnownMerge) -> list[int]:
    """Returns ids in which the merge's pair is one, from left to right."""
    joined: list[int] = []
    place = 0
    while place < len(ids):
        if ids[place : place + 2] == [merge.left, merge.right]:
            joined.append(merge.id)
            place += 2
        else:
            joined.append(ids[place])
            place += 1
    return joined


def _pretokens(splitter: object, text: str) -> list[str]:
    """Returns the parts of a text across which nothing is merged."""
    pieces = splitter.pre_tokenize_str(text)  # type: ignore[attr-defined]  # of tokenizers
    return [text[start:end] for _, (start, end) in pieces]


def _note(merge: KnownMerge, vocabulary: list[bytes]) -> str:
    left, right = seen(vocabulary[merge.left]), seen(vocabulary[merge.right])
    return f"{left} + {right}, seen {merge.count:,} times"


def _step_lines(words: list[list[MergeStep]], vocabulary: list[bytes], width: int) -> list[str]:
    lines = []
    for steps in words:
        rows = [" ".join(seen(vocabulary[id]) for id in step.ids) for step in steps]
        widest = max(map(columns, rows))
        for row, step in zip(rows, steps, strict=True):
            note = "" if step.merge is None else _note(step.merge, vocabulary)
            if widest + 3 + len(note) <= width:
                lines.append(f"{padded(row, widest)}   {note}".rstrip())
            else:  # a narrow terminal: the note above its row
                lines += [*([f"  {cut(note, width - 2)}"] if note else []), cut(row, width)]
        lines.append("")
    tokens = [seen(vocabulary[id]) for steps in words for id in steps[-1].ids]
    return [*lines, "·".join(tokens)]


def _list_lines(merges: list[KnownMerge], vocabulary: list[bytes], width: int) -> list[str]:
    rows = [
        (seen(vocabulary[merge.left]), seen(vocabulary[merge.right]), seen(vocabulary[merge.id]))
        for merge in merges
    ]
    most = max((merge.count for merge in merges), default=1)
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, (merge, row) in enumerate(zip(merges, rows, strict=True), 1):
        left, right, made = (padded(one, widest) for one, widest in zip(row, widths, strict=True))
        line = f"{number:>3}  {left} + {right} → {made}  {merge.count:>9,}  "
        room = min(24, width - columns(line))
        lines.append(line + (bar(merge.count / most, room) if room > 4 else ""))
    return [line.rstrip() for line in lines] or ["no merges: the vocabulary has the bytes alone"]


def _step_drawing(words: list[list[MergeStep]], vocabulary: list[bytes]) -> Drawing:
    drawing = Drawing("A text's tokens, merge by merge")
    right, y = 0.0, float(MARGIN)
    notes = []
    for steps in words:
        for step in steps:
            last = step is steps[-1] and len(steps) > 1
            right = max(right, _add_row(drawing, y, step, vocabulary, last))
            note = "bytes" if step.merge is None else _note(step.merge, vocabulary)
            notes.append((y + 18, note))
            y += ROW
        y += 14
    for base, note in notes:
        drawing.text(right + 24, base, note, "soft", size=12)
    return drawing


def _add_row(
    drawing: Drawing, y: float, step: MergeStep, vocabulary: list[bytes], last: bool
) -> float:
    """Adds the boxes of a pretoken after a step, and returns where they end."""
    x = float(MARGIN)
    for id in step.ids:
        letters = seen(vocabulary[id])
        if x + chip_width(letters) > WIDTH - MARGIN - NOTE_WIDTH:
            drawing.text(x + 4, y + 18, "…", "soft")
            return x + 20
        new = step.merge is not None and id == step.merge.id
        colour = "chip1" if new else "chip2" if last else "pale"
        x += drawing.chip(x, y, letters, colour) + GAP
    return x


def _list_drawing(merges: list[KnownMerge], vocabulary: list[bytes]) -> Drawing:
    drawing = Drawing("The first merges of the vocabulary")
    most = max((merge.count for merge in merges), default=1)
    rows = [[seen(vocabulary[id]) for id in (one.left, one.right, one.id)] for one in merges]
    left, right, made = (
        max((letters_width(one[place]) for one in rows), default=0) + 12 for place in range(3)
    )
    start = MARGIN + 34
    bars = start + left + right + made + 64
    for number, (merge, row) in enumerate(zip(merges, rows, strict=True)):
        y = MARGIN + number * ROW
        drawing.text(MARGIN + 16, y + 18, str(number + 1), "soft", "end", 12)
        drawing.chip(start, y, row[0], "pale")
        drawing.text(start + left + 11, y + 18, "+", "soft", "middle")
        drawing.chip(start + left + 22, y, row[1], "pale")
        drawing.text(start + left + right + 36, y + 18, "→", "soft", "middle")
        drawing.chip(start + left + right + 50, y, row[2], "chip1")
        length = (WIDTH - MARGIN - 60 - bars) * merge.count / most
        drawing.box(bars, y + 6, max(length, 2), 14, "first", 0.75, 3)
        drawing.text(bars + length + 8, y + 18, f"{merge.count:,}", "soft", size=12)
    return drawing
