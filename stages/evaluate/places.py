"""Places in the validation documents where completion is measured: a line, and its identifiers.

A hash of the document's id and of the line's position in its text orders the lines, and the first
ones are chosen. So two models are asked the same, whatever their tokenizers, and more places are
the same ones and others.
"""

import hashlib
import heapq
import io
import keyword
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokens import TokenSplit

MOST_DOCUMENTS = 1000
LONGEST_LINE = 100  # characters, without the spaces around; longer ones are seldom code
SHORTEST_LINE = 2
WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class HeldOutText:
    """A document as text; `name` is its id."""

    name: str
    text: str
    language: str | None = None


@dataclass(frozen=True)
class LinePlace:
    """A line of a document, between what is before and after it.

    `before` ends with the line before, `after` begins with the end of this line. `identifiers` has
    where each begins and ends in the line.
    """

    before: str
    line: str
    after: str
    identifiers: tuple[tuple[int, int], ...] = ()


def sources(
    split: TokenSplit, documents: list[dict[str, Any]], tokenizer: Tokenizer
) -> Iterator[HeldOutText]:
    """Yields up to MOST_DOCUMENTS of a split, by a hash of their ids, without the conversations.

    Args:
        split: the validation documents.
        documents: what is known about each, from `read_documents`.
        tokenizer: of the tokens.
    """
    names = [str(document["id"]) for document in documents]
    chosen = heapq.nsmallest(MOST_DOCUMENTS, range(len(names)), lambda at: _rank(names[at], 0))
    for number in sorted(chosen):
        ids = split.document(number)[1:]
        if len(ids) and not (ids < len(SPECIAL_TOKENS)).any():
            text = tokenizer.decode(ids.tolist(), skip_special_tokens=False)
            yield HeldOutText(names[number], text, documents[number].get("language"))


def choose_places(documents: Iterable[HeldOutText], count: int) -> list[LinePlace]:
    """Returns up to `count` lines, in the order of their hashes. The first line of a document is
    not among them.
    """
    found: list[tuple[bytes, int, HeldOutText, int, int]] = []
    for number, source in enumerate(documents):
        ranked = (
            (_rank(source.name, start), number, source, start, end)
            for start, end in _lines(source.text)
        )
        found = heapq.nsmallest(count, [*found, *ranked], key=lambda line: line[:2])
    names: dict[str, list[tuple[int, int]]] = {}
    return [_place(source, start, end, names) for _, _, source, start, end in found]


def _rank(name: str, start: int) -> bytes:
    return hashlib.sha256(f"{name}:{start}".encode()).digest()


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yields where each line to predict begins and ends."""
    start = text.find("\n") + 1
    while 0 < start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if SHORTEST_LINE <= len(text[start:end].strip()) <= LONGEST_LINE:
            yield start, end
        start = end + 1


def _place(
    source: HeldOutText, start: int, end: int, names: dict[str, list[tuple[int, int]]]
) -> LinePlace:
    if source.name not in names:
        names[source.name] = identifiers(source.text, source.language)
    mine = [(one - start, two - start) for one, two in names[source.name] if start <= one < end]
    return LinePlace(source.text[:start], source.text[start:end], source.text[end:], tuple(mine))


def identifiers(text: str, language: str | None) -> list[tuple[int, int]]:
    """Returns where the identifiers of a text begin and end.

    In Python they are the names of its own tokenizer that are no keywords. In other languages, and
    in a file that is no Python 3, they are all words, so keywords and comments count.
    """
    if language == "Python":
        try:
            return list(_python_names(text))
        except (tokenize.TokenError, SyntaxError):
            pass
    return [word.span() for word in WORD.finditer(text)]


def _python_names(text: str) -> Iterator[tuple[int, int]]:
    starts = [0, *(place + 1 for place, mark in enumerate(text) if mark == "\n")]
    for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            row, column = token.start
            first = starts[row - 1] + column
            yield first, first + len(token.string)
