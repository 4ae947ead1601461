"""The possible outcomes of a request to a server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """Status and complete body, after redirects."""

    status: int
    body: bytes


class TransportError(Exception):
    """No complete answer came; another try may succeed."""


class NotConnected(TransportError):
    """No connection could be opened or used, which says nothing about the requested content."""


class TooLarge(TransportError):
    """The answer is larger than runtime.largest_blob_bytes, or has no end."""


class NotAnAddress(Exception):
    """Nothing can be requested because the address is not an http or https URL."""
