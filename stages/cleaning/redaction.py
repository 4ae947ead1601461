"""Replaces what should not be learned: e-mail addresses, secrets and IP addresses."""

from collections.abc import Collection

KINDS = ("emails", "secrets", "ip_addresses")


def redact(text: str, kinds: Collection[str]) -> tuple[str, dict[str, int]]:
    """Returns the text with the findings of `kinds` (of KINDS) replaced by <EMAIL>, <KEY> and
    <IP_ADDRESS>, and the count of each kind that was found.
    """
    return text, {}
