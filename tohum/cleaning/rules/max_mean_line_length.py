"""`max_mean_line_length` drops minified files and data: files of long lines.

StarCoder2's limit is 100 characters, except in languages with long lines (Lozhkov et al. 2024,
arXiv 2402.19173, section 2.1: long lines).
"""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument, for_code
from tohum.cleaning.rules.max_line_length import LONG_LINED
from tohum.config.sections import limits

LONG_MEAN = "mean line longer than max_mean_line_length"


@dataclass
class MaxMeanLineLength:
    """Mean characters per line; None: no limit."""

    max_mean_line_length: float | None = limits(minimum=1)


def check(keys: MaxMeanLineLength) -> Check | None:
    """Returns the rule."""
    most = keys.max_mean_line_length
    if most is None:
        return None

    @for_code
    def reject(document: TextDocument) -> Reason | None:
        characters = len(document.text) - document.line_feeds
        too_long = document.suffix not in LONG_LINED and characters > most * document.lines
        return Reason(LONG_MEAN) if too_long else None

    return reject
