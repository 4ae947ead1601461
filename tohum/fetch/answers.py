"""The possible outcomes of a request to a server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    """Status and complete body, after redirects; `elsewhere`: these led to another host."""

    status: int
    body: bytes
    elsewhere: bool = False


class TransportError(Exception):
    """No complete answer came; another try may succeed."""


class NotConnected(TransportError):
    """No connection could be opened or used, which says nothing about the requested content."""


class TooLarge(TransportError):
    """The answer is larger than largest_blob_bytes of conf/runtime.yaml, or has no end."""


class EndlessRedirects(TransportError):
    """The server redirects on and on: each try costs several requests."""


class NotAnAddress(Exception):
    """Nothing can be requested because the address is not an http or https URL."""
