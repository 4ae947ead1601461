"""Guesses roughly whether a text is Turkish or English, by letters and stop words."""

import re
from collections import Counter
from collections.abc import Iterable

LOOKED_AT = 4000  # characters of a text
LETTERS = re.compile("[ğışİĞŞ]")
WORD = re.compile(r"\w+")
TURKISH = """ve bir bu da de için ile çok ne gibi daha olarak var mı mi mu mü değil ama nedir olan
    kadar sonra ben sen o hangi nasıl neden en her ya veya"""
ENGLISH = """the and of to in is that it for are what with as this how you be on by from or an was
    not which have can i"""
STOP_WORDS = {"Turkish": {*WORD.findall(TURKISH)}, "English": {*WORD.findall(ENGLISH)}}


def guess(text: str) -> str | None:
    """Returns Turkish, English or None for neither."""
    text = text[:LOOKED_AT]
    words = [word.casefold() for word in WORD.findall(text)]
    found = {name: sum(word in stop for word in words) for name, stop in STOP_WORDS.items()}
    found["Turkish"] += len(LETTERS.findall(text))
    best = max(found, key=lambda name: found[name])
    return best if found[best] else None


def language_shares(texts: Iterable[str]) -> str:
    """Returns the shares of languages among texts, in words."""
    counts = Counter(guess(text) or "neither" for text in texts)
    total = counts.total()
    shares = ", ".join(f"{name} {count / total:.0%}" for name, count in counts.most_common())
    return f"{shares} (a rough guess, by letters and stop words)" if total else "no text"
