"""Redacts secrets: keys and tokens of known formats, and assigned passwords that look random."""

import math
import re
from collections import Counter

import numpy
from numpy.typing import NDArray

from tohum.cleaning import secret_formats
from tohum.cleaning.scanning import Needles
from tohum.cleaning.secret_formats import find_secrets
from tohum.cleaning.tagging import replaced

KEY_TAG = "<KEY>"
NAMES = ("password", "passwd", "secret", "api_key", "apikey", "access_key", "auth_token")
ASSIGNMENT = re.compile(
    r"""[\w-]{0,24}["']?\s{0,4}(?::=|=>|=|:)\s{0,4}[bru]{0,2}(?P<quote>["'])"""
    r"""(?P<key>[A-Za-z0-9+/=_.!@#$%^&*~-]{12,128})(?P=quote)""",
    re.ASCII,
)
NEEDLES = Needles([*secret_formats.NEEDLES, *NAMES])
LEAST_ENTROPY = 3.5  # bits per character; English words have about 3, random text 4
PLACEHOLDER = re.compile(
    r"example|sample|test|dummy|fake|your|change|placeholder|xxx|abc|123456|secret|passw|token|key|"
    r"todo|redacted|default|invalid",
    re.IGNORECASE,
)


def redact_secrets(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text, whose UTF-8 is `data`, with <KEY> for each secret, and their number."""
    needed = NEEDLES.found(data)
    if not needed:
        return text, 0
    spans = [(begin, end) for _, begin, end in find_secrets(text, needed)]
    spans = _apart([*spans, *_assigned(text, needed)])
    return replaced(text, spans, KEY_TAG), len(spans)


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the spans in order, without those that begin inside an earlier one; of those that
    begin at the same place, the longest stays.
    """
    kept: list[tuple[int, int]] = []
    for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or begin >= kept[-1][1]:
            kept.append((begin, end))
    return kept


def _assigned(text: str, needed: set[str]) -> list[tuple[int, int]]:
    """Returns the spans of random values that are assigned to a secret's name."""
    names = needed.intersection(NAMES)
    if not names:
        return []
    # The only letter whose lower case is longer: without it, positions in both are the same.
    lower = text.replace("\u0130", "I").lower()
    spans = []
    for name in sorted(names):
        start = lower.find(name)
        while start >= 0:
            found = ASSIGNMENT.match(text, start + len(name))
            if found and _is_password(found["key"]):
                spans.append(found.span("key"))
            start = lower.find(name, start + len(name))
    return spans


def _is_password(value: str) -> bool:
    """Returns whether a value has letters and digits and its characters look random."""
    return (
        any(map(str.isdigit, value))
        and any(map(str.isalpha, value))
        and entropy(value) >= LEAST_ENTROPY
        and not PLACEHOLDER.search(value)
    )


def entropy(value: str) -> float:
    """Returns the Shannon entropy of a text's characters, in bits per character."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
