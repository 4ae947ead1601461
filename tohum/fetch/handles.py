"""One HTTP transfer with libcurl: what it receives, and what its end means."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pycurl

from tohum.fetch.addresses import without_secrets
from tohum.fetch.answers import (
    EndlessRedirects,
    NotConnected,
    Response,
    TooLarge,
    TransportError,
)
from tohum.fetch.gzip_members import MAGIC, gunzip, log_garbage

DEADLINES = 10  # timeouts that a complete answer may take
SMALL_BODY = 4 << 20  # bytes; of larger bodies, only a few are received at once

E_PROXY = 97  # CURLE_PROXY, which pycurl does not name
NO_CONNECTION = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_PEER_FAILED_VERIFICATION,
        E_PROXY,
        pycurl.E_SEND_ERROR,
        pycurl.E_OUT_OF_MEMORY,
    }
)

GZIP = frozenset({"gzip", "x-gzip"})
OTHER_ENCODINGS = frozenset({"br", "compress", "dcb", "dcz", "deflate", "x-compress", "zstd"})

Label = TypeVar("Label")


@dataclass(frozen=True)
class Limits:
    """The limits of a transfer.

    Args:
        connections: transfers at once.
        timeout: seconds to connect, and to stay below LEAST_SPEED; ten times that for the complete
            answer.
        largest: bytes of an answer, both as sent and decompressed.
    """

    connections: int
    timeout: float
    largest: int


class Transfer(Generic[Label]):
    """One reusable libcurl handle, and the answer that it is receiving.

    Args:
        grow: asks whether the body may become larger than SMALL_BODY now.
    """

    __slots__ = (
        *("asked_again", "encodings", "grow", "handle", "head_ended", "label", "large", "left"),
        *("limits", "overflowed", "pieces", "postponed", "scheme", "url"),
    )

    def __init__(self, handle: Any, limits: Limits, grow: Callable[[], bool]) -> None:
        self.handle = handle
        self.limits = limits
        self.grow = grow
        self.label: Label | None = None
        self.scheme = ""
        self.url = ""
        self.asked_again = False  # over a new connection
        self.large = False
        self.reset()

    def reset(self) -> None:
        """Forgets the answer."""
        self.pieces: list[bytes] = []
        self.left = self.limits.largest
        self.overflowed = self.postponed = False
        self.encodings: list[str] = []
        self.head_ended = False

    def receive(self, piece: bytes) -> int | None:
        """Takes a piece of the body; -1 ends the transfer."""
        self.left -= len(piece)
        if self.left < 0:
            self.overflowed = True
            return -1
        if not self.large and self.left < self.limits.largest - SMALL_BODY:
            if not self.grow():
                self.postponed = True
                return -1
            self.large = True
        self.pieces.append(piece)
        return None

    def receive_header(self, line: bytes) -> None:
        """Takes a header line, including the status line of each answer on the way."""
        name, _, value = line.partition(b":")
        if name[:5].upper() == b"HTTP/":
            self.encodings, self.head_ended = [], False
        elif name.lower() == b"content-encoding":
            found = value.decode("latin-1").lower().split(",")
            self.encodings += [each.strip() for each in found]
        elif not line.strip():
            self.head_ended = True

    def was_closed_before(self) -> bool:
        """Whether a request may have met connections that the server had closed while they were
        idle: it used no new one, and got no byte of an answer. libcurl asks again by itself, but
        gives up after five such connections.
        """
        handle = self.handle
        used = handle.getinfo(pycurl.NUM_CONNECTS) == 0 == handle.getinfo(pycurl.HEADER_SIZE)
        return used and not self.asked_again

    def response(self) -> Response | TransportError:
        """Returns the complete answer."""
        handle = self.handle
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        elsewhere = handle.getinfo(pycurl.REDIRECT_COUNT) > 0 and self._is_elsewhere()
        pieces = self.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if status != 200:
            return Response(status, body, elsewhere)
        if not body:
            # libcurl takes truncated headers for an empty answer of unknown length.
            unknown_length = handle.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T) < 0
            if unknown_length and not self.head_ended:
                return TransportError("the connection was closed without a body")
            return Response(status, body, elsewhere)
        try:
            return Response(status, self._decoded(body), elsewhere)
        except ValueError as error:
            return TransportError(str(error))
        except TooLarge as error:
            return error

    def _is_elsewhere(self) -> bool:
        """Whether redirects have led to another host."""
        last = pycurl.CurlUrl(self.handle.getinfo_raw(pycurl.EFFECTIVE_URL))
        return bool(last.host.lower() != pycurl.CurlUrl(self.url).host.lower())

    def _decoded(self, body: bytes) -> bytes:
        """Undoes Content-Encoding. What is no name of one is ignored, as browsers do.

        Raises:
            ValueError: the body is damaged, or in an encoding that was not asked for.
            TooLarge: it is too large decompressed.
        """
        for encoding in reversed(self.encodings):
            if encoding in OTHER_ENCODINGS:
                raise ValueError(f"the answer is in an encoding that was not asked for: {encoding}")
            if encoding in GZIP:
                content, garbage = gunzip(body, self.limits.largest)
                if body.startswith(MAGIC, len(body) - garbage):
                    raise ValueError("damaged gzip: cut off")
                if garbage:
                    log_garbage(without_secrets(self.url), garbage)
                body = content
        return body

    def error(self, code: int, message: str) -> TransportError:
        """Returns what libcurl's error means (https://curl.se/libcurl/c/libcurl-errors.html)."""
        handle, timeout = self.handle, self.limits.timeout
        if self.overflowed or code == pycurl.E_FILESIZE_EXCEEDED:
            return TooLarge(f"the answer is larger than {self.limits.largest:,} bytes")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            if not handle.getinfo(pycurl.REQUEST_SIZE):
                return NotConnected(f"no connection within {timeout:g} s")
            if handle.getinfo(pycurl.TOTAL_TIME) >= DEADLINES * timeout:
                return TransportError(f"the answer took longer than {DEADLINES * timeout:g} s")
            return TransportError(f"nothing came for {math.ceil(timeout)} s")
        if code == pycurl.E_TOO_MANY_REDIRECTS:
            return EndlessRedirects(plain_message(message))
        if code in NO_CONNECTION:
            number = code == pycurl.E_COULDNT_CONNECT and handle.getinfo(pycurl.OS_ERRNO)
            reason = f": {os.strerror(number)}" if number else ""
            if handle.getinfo(pycurl.REDIRECT_COUNT):  # so the URL's own host has answered
                return TransportError(f"redirected: {plain_message(message)}{reason}")
            return NotConnected(plain_message(message) + reason)
        if code == pycurl.E_PARTIAL_FILE or (code == pycurl.E_RECV_ERROR and self.pieces):
            return TransportError("the connection was closed in the middle of an answer")
        if code in (pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR):
            return TransportError("the connection was closed without an answer")
        return TransportError(
            plain_message(message) or f"the answer is not HTTP (libcurl's error {code})"
        )


def plain_message(message: str) -> str:
    """Returns a libcurl message in plain Unicode, without what differs from run to run."""
    text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return re.sub(r" after \d+ ms", "", text)
