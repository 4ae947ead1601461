"""Secrets in a text: keys and tokens of known formats, and passwords that look like one.

The formats are those that their issuers document, most of them for secret scanning:

- private keys: RFC 7468 (PEM), RFC 4880 section 6.2 (OpenPGP)
- AWS access key ids: AWS IAM user guide, "IAM identifiers", unique ids
- GitHub: "Behind GitHub's new authentication token formats" (2021); fine-grained: github_pat_
- GitLab: docs.gitlab.com, "Token overview", prefixes; Slack: api.slack.com, "Token types"
- Google API keys, OAuth client secrets: cloud.google.com, "API keys"; Stripe: "API keys"
- OpenAI, Anthropic: prefixes of their consoles' keys; Hugging Face: "User access tokens"
- npm, PyPI: their token formats' announcements; JWT: RFC 7519 section 3, RFC 7515 section 7.1
"""

import math
import re
from collections import Counter

import numpy
from numpy.typing import NDArray

from tohum.cleaning.scanning import Needles

KEY_TAG = "<KEY>"
NO_WORD = r"(?![A-Za-z0-9_])"
# A string that must be in the text, and the pattern that is tried where it is. What the group
# `key` matches is the secret, where no word goes on there. A pattern that begins with its string is
# searched for as fast as the string.
FORMATS = tuple(
    (needed, re.compile(pattern))
    for needed, pattern in (
        (
            "PRIVATE KEY",
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?P<key>[A-Za-z0-9+/=\s\\\"',:.()-]{64,20000}?)"
            r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY",
        ),
        ("AKIA", rf"(?P<key>AKIA[A-Z2-7]{{16}}){NO_WORD}"),
        ("ASIA", rf"(?P<key>ASIA[A-Z2-7]{{16}}){NO_WORD}"),
        *((f"gh{kind}_", rf"(?P<key>gh{kind}_[A-Za-z0-9]{{36,255}}){NO_WORD}") for kind in "pousr"),
        ("github_pat_", rf"(?P<key>github_pat_[A-Za-z0-9]{{22}}_[A-Za-z0-9]{{59}}){NO_WORD}"),
        ("glpat-", rf"(?P<key>glpat-[A-Za-z0-9_-]{{20,64}}){NO_WORD}"),
        ("xox", r"(?P<key>xox[abeoprs]-\d[A-Za-z0-9-]{20,250})"),
        ("hooks.slack.com", r"hooks\.slack\.com/services/(?P<key>T\w{8,12}/B\w{8,12}/\w{24})"),
        ("AIza", rf"(?P<key>AIza[A-Za-z0-9_-]{{35}}){NO_WORD}"),
        ("GOCSPX-", rf"(?P<key>GOCSPX-[A-Za-z0-9_-]{{28}}){NO_WORD}"),
        ("k_live_", rf"(?P<key>[rs]k_live_[A-Za-z0-9]{{16,247}}){NO_WORD}"),
        ("k_test_", rf"(?P<key>[rs]k_test_[A-Za-z0-9]{{16,247}}){NO_WORD}"),
        ("T3BlbkFJ", r"(?P<key>sk-[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,120})"),
        ("sk-ant-", r"(?P<key>sk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_-]{80,120})"),
        ("hf_", rf"(?P<key>hf_[A-Za-z]{{34}}){NO_WORD}"),
        ("npm_", rf"(?P<key>npm_[A-Za-z0-9]{{36}}){NO_WORD}"),
        ("pypi-AgEIcHlwaS5vcmc", r"(?P<key>pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250})"),
        ("eyJ", r"(?P<key>eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{20,1000})"),
    )
)
PEM_LEAST = 40  # different characters of a key's body; a template or "..." has fewer

NAMES = ("password", "passwd", "secret", "api_key", "apikey", "access_key", "auth_token")
ASSIGNMENT = re.compile(
    r"""[\w-]{0,24}["']?\s{0,4}(?::=|=>|=|:)\s{0,4}[bru]{0,2}(?P<quote>["'])"""
    r"""(?P<key>[A-Za-z0-9+/=_.!@#$%^&*~-]{12,128})(?P=quote)""",
    re.ASCII,
)
NEEDLES = Needles([*dict(FORMATS), *NAMES])
LEAST_ENTROPY = 3.5  # bits a character; English words have about 3, random letters and digits 4
PLACEHOLDER = re.compile(
    r"example|sample|test|dummy|fake|your|change|placeholder|xxx|abc|123456|secret|passw|token|key|"
    r"todo|redacted|default|invalid",
    re.IGNORECASE,
)


def redact_secrets(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text, whose UTF-8 is `data`, with <KEY> for every secret, and their number."""
    needed = NEEDLES.found(data)
    if not needed:
        return text, 0
    spans = [
        found.span("key")
        for needle, pattern in FORMATS
        if needle in needed and needle in text
        for found in pattern.finditer(text)
        if _begins_word(text, found.start("key")) and _is_random(found["key"], needle)
    ]
    spans += _assigned(text, needed)
    if not spans:
        return text, 0
    pieces, start, count = [], 0, 0
    for begin, end in sorted(spans):
        if begin >= start:
            pieces += [text[start:begin], KEY_TAG]
            start, count = end, count + 1
    return "".join([*pieces, text[start:]]), count


def _begins_word(text: str, start: int) -> bool:
    return not start or not (text[start - 1].isalnum() or text[start - 1] == "_")


def _is_random(key: str, needed: str) -> bool:
    """Returns whether a key of a known format is one, and not a pattern for one or an example."""
    if needed == "PRIVATE KEY":
        return len(set(key)) >= PEM_LEAST
    rest = key.removeprefix(needed)
    return "EXAMPLE" not in key and "xxx" not in key.lower() and len(set(rest)) >= 8


def _assigned(text: str, needed: set[str]) -> list[tuple[int, int]]:
    """Returns the spans of random values that are assigned to the name of a secret."""
    names = needed.intersection(NAMES)
    if not names:
        return []
    # The only letter whose lower case is longer: without it, places in both are the same.
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
    """Returns whether a value has letters and digits and its characters are as good as random."""
    return (
        any(map(str.isdigit, value))
        and any(map(str.isalpha, value))
        and entropy(value) >= LEAST_ENTROPY
        and not PLACEHOLDER.search(value)
    )


def entropy(value: str) -> float:
    """Returns the Shannon entropy of a text's characters, in bits a character."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
