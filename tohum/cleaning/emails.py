"""Redacts e-mail addresses; examples, SSH remotes, decorators and SSH algorithms stay."""

import re

import numpy
from numpy.typing import NDArray

from tohum.cleaning.tagging import replaced

EMAIL_TAG = "<EMAIL>"

# The search starts at the @, since most have no address before them: decorators, package scopes.
AFTER_AT = re.compile(
    r"@(?<=[A-Za-z0-9_+-]@)((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5})"
    r"([a-z]{2,12}|[A-Z]{2,12})(?![\w@(\[-]|\.\w|:[\w/~.]|/\w)"
)
BEFORE_AT = re.compile(r"(?:^|[^\w.+%/@$-])([A-Za-z0-9][\w.+%-]{0,63})$", re.ASCII)
LOCAL_CHARACTERS = 65  # RFC 5321, section 4.5.3.1.1: at most 64, and one before them
GENERIC_DOMAINS = {
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "dev",
    "app",
    "eu",
} | {"asia", "email", "online", "site", "tech", "xyz"}
# Two letters are a country (ISO 3166); these are more often a file's suffix or a keyword.
NO_COUNTRIES = frozenset({"py", "sh", "so", "cc", "md", "ps", "js", "ts", "rb", "hs", "id", "as"})
# RFC 2606 keeps example.com, .org and .net for documentation; .test and others like it are not
# countries.
EXAMPLE = re.compile(r"(?:^|\.)example\.$", re.IGNORECASE)
NO_USERS = frozenset({"git", "hg", "svn"})
NO_HOSTS = (
    "self.",
    "this.",
    "openssh.",
    "ssh.",
    "libssh.",
    "asyncssh.",
)  # names of SSH algorithms: RFC 4250


def redact_emails(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text without e-mail addresses, and their number."""
    if "@" not in text:
        return text, 0
    spans = []
    for found in AFTER_AT.finditer(text):
        at = found.start()
        before = BEFORE_AT.search(text, max(0, at - LOCAL_CHARACTERS), at)
        if before and _is_address(before[1], found[1], found[2]):
            spans.append((before.start(1), found.end()))
    return replaced(text, spans, EMAIL_TAG), len(spans)


def _is_address(local: str, domain: str, top: str) -> bool:
    top = top.lower()
    country = len(top) == 2 and top not in NO_COUNTRIES
    return (
        (country or top in GENERIC_DOMAINS)
        and not EXAMPLE.search(domain)
        and local not in NO_USERS
        and not domain.startswith(NO_HOSTS)
    )
