"""`max_lines` drops files with very many lines, which are data or generated.

StarCoder2's limit is 100,000 (Lozhkov et al. 2024, arXiv 2402.19173, section 2.1: long lines).
"""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument, for_code
from tohum.config.sections import limits

MANY_LINES = "more than max_lines"


@dataclass
class MaxLines:
    """Lines; None: no limit."""

    max_lines: int | None = limits(minimum=1)


def check(keys: MaxLines) -> Check | None:
    """Returns the rule."""
    most = keys.max_lines
    if most is None:
        return None

    @for_code
    def reject(document: TextDocument) -> Reason | None:
        return Reason(MANY_LINES) if document.lines > most else None

    return reject
