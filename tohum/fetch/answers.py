"""What a request to a server can end in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """Status and whole body, after redirects."""

    status: int
    body: bytes


class TransportError(Exception):
    """No whole answer came; another try may do better."""


class NotConnected(TransportError):
    """No connection could be opened or used, which says nothing of what was to be asked for."""


class TooLarge(TransportError):
    """The answer is larger than runtime.largest_blob_bytes, or has no end."""


class NotAnAddress(Exception):
    """Nothing can be asked, for the address is not an http or https URL."""
