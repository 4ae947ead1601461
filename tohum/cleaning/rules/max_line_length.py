"""`max_line_length` drops minified files and data: those with a very long line.

StarCoder2's limit is 1,000 characters (Lozhkov et al. 2024, arXiv 2402.19173, section 2.1: long
lines). Prose and data have long lines, so the paper exempts some languages; their longest line may
have LONG_LINED_LENGTH characters.
"""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument, for_code
from tohum.config.sections import limits

LONG_LINE = "line longer than max_line_length"
# HTML, JSON, Markdown, Roff, SMT, TeX, Text and XML.
LONG_LINED = frozenset(
    {".htm", ".html", ".xhtml", ".json", ".jsonl", ".geojson", ".md", ".markdown", ".txt"}
    | {".roff", ".man", *(f".{section}" for section in range(1, 10)), ".smt", ".smt2"}
    | {".tex", ".sty", ".cls", ".bib", ".xml", ".xsd", ".xsl", ".xslt", ".rss"}
)
LONG_LINED_LENGTH = 100_000


@dataclass
class MaxLineLength:
    """Characters in the longest line; None: no limit."""

    max_line_length: int | None = limits(minimum=1)


def check(keys: MaxLineLength) -> Check | None:
    """Returns the rule."""
    most = keys.max_line_length
    if most is None:
        return None

    @for_code
    def reject(document: TextDocument) -> Reason | None:
        allowed = max(most, LONG_LINED_LENGTH) if document.suffix in LONG_LINED else most
        return Reason(LONG_LINE) if has_longer_line(document.text, allowed) else None

    return reject


def has_longer_line(text: str, length: int) -> bool:
    """Returns whether a line is longer than `length` characters, its line feed not counted."""
    start = 0
    while len(text) - start > length:
        # All lines up to the last line feed in reach are short enough: move on to the line after
        # it.
        last = text.rfind("\n", start, start + length + 1)
        if last < 0:
            return True
        start = last + 1
    return False
