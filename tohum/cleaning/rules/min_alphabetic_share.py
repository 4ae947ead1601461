"""`min_alphabetic_share` drops files with few letters, which are data.

StarCoder2's limit is 0.25 (Lozhkov et al. 2024, arXiv 2402.19173, section 2.1: alpha filter).
Letters of every alphabet count.
"""

from dataclasses import dataclass

from tohum.cleaning.documents import Check, Reason, TextDocument, for_code
from tohum.config.sections import limits

FEW_LETTERS = "letters below min_alphabetic_share"
# Motorola 68K assembly and WebAssembly: digits count as letters, as in the paper.
DIGITS_COUNT = frozenset({".x68", ".68k", ".wat", ".wast"})


@dataclass
class MinAlphabeticShare:
    """Share of letters among the characters; 0: no limit."""

    min_alphabetic_share: float = limits(minimum=0, maximum=1)


def check(keys: MinAlphabeticShare) -> Check | None:
    """Returns the rule."""
    share = keys.min_alphabetic_share
    if not share:
        return None

    from tohum.cleaning.characters import letters_and_digits

    @for_code
    def reject(document: TextDocument) -> Reason | None:
        letters, digits = letters_and_digits(document.data)
        letters += digits * (document.suffix in DIGITS_COUNT)
        few = _are_fewer(document.text, letters, share * len(document.text))
        return Reason(FEW_LETTERS) if few else None

    return reject


def _are_fewer(text: str, letters: int, enough: float) -> bool:
    """Returns whether the ASCII letters and those of other alphabets are fewer than enough."""
    if letters >= enough or text.isascii():
        return letters < enough
    return letters + sum(map(str.isalpha, filter("\x7f".__lt__, text))) < enough
