"""What a programmer feels of a model: whole lines, identifiers, and keystrokes saved.

- line: the next line from the text before it, the likeliest token each time. Exact is the share
  of lines that are right but for spaces. Similarity is the edit similarity of CodeXGLUE
  (https://github.com/microsoft/CodeXGLUE, line-level completion) and RepoBench
  (https://arxiv.org/abs/2306.03091): `fuzz.ratio`, in percent, of insertions and deletions.
- middle: the same with the rest of the file known too.
- identifier: the share of identifiers that are right at the first try, at their first character.
- keystrokes_saved: (characters - keys) / characters, as in Trnka and McCoy 2008
  (https://aclanthology.org/P08-2066), with the two keys of an editor's inline suggestions
  (https://code.visualstudio.com/docs/copilot/ai-powered-suggestions): one accepts the whole
  suggestion, one its next word. The writer types the line from left to right, sees a suggestion
  for the rest of it before each key, and accepts the rest if it is right, otherwise its next word
  if that is right, and otherwise types a character. The indentation is the editor's, and free.

A suggestion for a line ends where the line does.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rapidfuzz import fuzz

from stages.evaluate.places import LONGEST_LINE, LinePlace
from stages.evaluate.suggesters import Suggester

log = logging.getLogger(__name__)

ENOUGH = LONGEST_LINE + 20  # characters of a line that does not end
NEXT_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")
BEGINNING = re.compile(r"\w*")


@dataclass
class Completion:
    """The figures of one suggester, as in metrics/evaluate.json."""

    line_exact: float
    line_similarity: float
    identifier: float
    keystrokes_saved: float
    middle_exact: float | None = None
    middle_similarity: float | None = None


def measured_completion(
    suggesters: dict[str, Suggester], places: Sequence[LinePlace], middles: bool
) -> dict[str, Any]:
    """Returns the figures of each suggester, by its name, and how much they cover.

    Args:
        suggesters: by name; all but the n-gram can use the text after a line.
        places: at least one.
        middles: whether the model was trained to fill in.
    """
    figures: dict[str, Any] = {
        "places": len(places),
        "identifiers": sum(len(place.identifiers) for place in places),
        "characters": sum(len(place.line.strip()) for place in places),
    }
    for name, suggester in suggesters.items():
        can_fill = name == "copy" or (name.startswith("model") and middles)
        measured = asdict(measure(suggester, places, can_fill))
        figures[name] = {key: value for key, value in measured.items() if value is not None}
        log.info("completion, %s: %s", name, figures[name])
    return figures


def measure(suggester: Suggester, places: Sequence[LinePlace], middles: bool) -> Completion:
    """Returns the figures of a suggester.

    Args:
        suggester: the model or a baseline.
        places: at least one.
        middles: whether it can use the text after a line.
    """
    lines, middle_lines = [], []
    right = names = keys = characters = 0
    for place in places:
        lines.append(first_line(suggester.line(place)))
        for start, end in place.identifiers:
            right += name_is_right(suggester, place, start, end)
            names += 1
        keys += keys_needed(suggester, place)
        characters += len(place.line.strip())
        if middles:
            middle_lines.append(first_line(suggester.middle(place)))
    wanted = [place.line for place in places]
    return Completion(
        *line_figures(lines, wanted),
        round(right / names, 4) if names else 0.0,
        round(1 - keys / characters, 4),
        *(line_figures(middle_lines, wanted) if middles else ()),
    )


def line_figures(found: Sequence[str], wanted: Sequence[str]) -> tuple[float, float]:
    """Returns the share of lines that are exactly right, and their mean edit similarity."""
    pairs = list(zip(found, wanted, strict=True))
    exact = sum(is_exact(*pair) for pair in pairs) / len(pairs)
    similar = sum(edit_similarity(*pair) for pair in pairs) / len(pairs)
    return round(exact, 4), round(similar, 4)


def is_exact(found: str, wanted: str) -> bool:
    """Whether two lines are the same but for the number of spaces."""
    return found.split() == wanted.split()


def edit_similarity(found: str, wanted: str) -> float:
    """Returns 1 - d / (n + m) for lines of n and m characters without the spaces around them, and
    the least number d of characters to insert and delete.
    """
    return fuzz.ratio(found.strip(), wanted.strip()) / 100


def first_line(pieces: Iterable[str]) -> str:
    """Returns the first line of a suggestion that is not blank."""
    text = ""
    for piece in pieces:
        text += piece
        line, end, _ = text.lstrip().partition("\n")
        if (line and end) or len(line) > ENOUGH or len(text) > 2 * ENOUGH:
            break
    return text.lstrip().partition("\n")[0]


def name_is_right(suggester: Suggester, place: LinePlace, start: int, end: int) -> bool:
    """Whether the identifier at a place of the line is what the suggestion begins with."""
    wanted = place.line[start:end]
    text = ""
    for piece in suggester.line(place, place.line[:start]):
        text += piece
        if len(text) > len(wanted) or not wanted.startswith(text):
            break
    found = BEGINNING.match(text)
    return found is not None and found.group() == wanted


def keys_needed(suggester: Suggester, place: LinePlace) -> int:
    """Returns the keys for a line with suggestions."""
    typed = place.line[: len(place.line) - len(place.line.lstrip())]
    rest = place.line.strip()
    keys = 0
    while rest:
        size = accepted(suggester.line(place, typed), rest)
        typed, rest = typed + rest[:size], rest[size:]
        keys += 1
    return keys


def accepted(pieces: Iterator[str], rest: str) -> int:
    """Returns the characters that one key gives: all of the rest, its next word, or one."""
    text, ended = "", True
    for piece in pieces:
        text += piece
        if len(text) > len(rest) or not rest.startswith(text):
            ended = False
            break
    if text.startswith(rest) and (ended or text[len(rest) :].lstrip(" \t\r")[:1] == "\n"):
        return len(rest)
    word = NEXT_WORD.match(rest)
    suggested = NEXT_WORD.match(text)
    if word and suggested and suggested.group() == word.group():
        return len(word.group())
    return 1
