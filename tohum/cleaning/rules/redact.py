"""`redact` replaces what should not be learned: secrets, e-mail addresses and IP addresses.

Each is replaced by a tag, as in StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173, section 3.2),
which used a model to find them. Here patterns find them, tuned to leave doubtful cases alone:
examples in documents or tests, operators, versions and placeholders stay. A pattern is only tried
if a string that it needs is in the text.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from tohum.cleaning.documents import Transformation
from tohum.config.sections import limits

# From a text and its UTF-8 to the redacted text and the number of redactions.
Redaction: TypeAlias = Callable[[str, NDArray[numpy.uint8]], tuple[str, int]]


def _secrets() -> Redaction:
    from tohum.cleaning.secrets import redact_secrets

    return redact_secrets


def _emails() -> Redaction:
    from tohum.cleaning.emails import redact_emails

    return redact_emails


def _ip_addresses() -> Redaction:
    from tohum.cleaning.ip_addresses import redact_ip_addresses

    return redact_ip_addresses


# What can be redacted, in the order of the redactions.
REDACTIONS: dict[str, Callable[[], Redaction]] = {
    "secrets": _secrets,
    "emails": _emails,
    "ip_addresses": _ip_addresses,
}


@dataclass
class Redact:
    """What to replace; an empty list replaces nothing."""

    redact: list[str] = limits(choices=tuple(REDACTIONS))


def transformation(keys: Redact) -> Transformation | None:
    """Returns the rule."""
    if not keys.redact:
        return None
    replacements = redactions(keys.redact)

    def transform(text: str) -> tuple[str, int]:
        text, counts = redact(text, replacements)
        return text, sum(counts.values())

    return transform


def redactions(kinds: Collection[str]) -> dict[str, Redaction]:
    """Returns the functions that redact `kinds`, in the order of REDACTIONS."""
    return {kind: load() for kind, load in REDACTIONS.items() if kind in kinds}


def redact(text: str, replacements: dict[str, Redaction]) -> tuple[str, dict[str, int]]:
    """Returns the text with findings replaced by <KEY>, <EMAIL> and <IP_ADDRESS>, and the number of
    each kind that was found.
    """
    counts = {}
    data = numpy.frombuffer(text.encode("utf-8", "surrogatepass"), numpy.uint8)
    for kind, replace in replacements.items():
        text, count = replace(text, data)
        if count:
            counts[kind] = count
    return text, counts
