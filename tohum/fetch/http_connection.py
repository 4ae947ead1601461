"""HTTP/1.1 as far as a content store needs it: one GET after another on a keep-alive connection.

Nothing here waits: `StoreLoop` calls a connection when its socket is ready. One thread so drives
hundreds of connections for a quarter of the CPU that as many threads, or a general asynchronous
client, spend on small bodies (benchmarks/fetch.py).
"""

import os
import random
import re
import socket
import ssl
import time
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any
from urllib.parse import quote, urlsplit

from tohum.errors import UserError

RECEIVE_BYTES = 1 << 16
LARGEST_HEAD = 1 << 16
ADDRESS_SECONDS = 60.0  # how long a look-up of the host's addresses holds
UNKNOWN_SECONDS = 1.0  # how long one that failed does: it may take 10 s, and all wait for it
USER_AGENT = "tohum"
STATUS = re.compile(rb"HTTP/1\.\d (\d{3})(?: |\r|$)")
HEADER_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?:\r|$)")
HEADER_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked")
HEADER_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)[ \t]*(?:;|$)")


class TransportError(Exception):
    """The connection broke, stalled or did not speak HTTP; another try may do better."""


class NotConnected(TransportError):
    """No connection could be opened, which says nothing of what was to be asked for."""


class ConnectionLost(TransportError):
    """The server closed the connection before the first byte of an answer."""


@dataclass
class Response:
    """Status, whole body, and whether the server is about to close the connection."""

    status: int
    body: bytes
    closes: bool = False


class Endpoint:
    """Where a store is: `https://host:port/path/`.

    Raises:
        UserError: it is not an http or https URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"'{url}' is not an address such as https://host/path/.")
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self._path = "/" + parts.path.strip("/") + "/" if parts.path.strip("/") else "/"
        host = self.host if parts.port is None else f"{self.host}:{parts.port}"
        self._rest = f" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\r\n"
        self._addresses: list[tuple[int, Any]] = []
        self._looked_up = float("-inf")
        self._unknown = ""  # why the last look-up failed

    def request(self, name: str) -> bytes:
        """Returns the request for a name below the path."""
        return f"GET {self._path}{quote(name)}{self._rest}".encode("ascii")

    def address(self) -> tuple[int, Any]:
        """Returns the family and address of one of the host's servers, chosen at random.

        Raises:
            NotConnected: the name is not known.
        """
        holds = ADDRESS_SECONDS if self._addresses else UNKNOWN_SECONDS
        if time.monotonic() - self._looked_up > holds:
            try:
                found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
                self._addresses = [(family, address) for family, _, _, _, address in found]
            except OSError as error:
                self._unknown = str(error)
            self._looked_up = time.monotonic()
        if not self._addresses:
            raise NotConnected(f"{self.host} is not known: {self._unknown}")
        return random.choice(self._addresses)


class Connection:
    """One connection: opens, sends a request, and gathers the answer as it comes.

    `waits_for` says which readiness of `socket` it needs next; `advance` is called then.
    """

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext | None) -> None:
        self.endpoint = endpoint
        self.context = context
        family, address = endpoint.address()
        self.socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)
        self.waits_for = EVENT_WRITE
        self.answers = 0
        self.opening = True
        self._request = b""
        self._received = b""
        self._size: int | None = None  # of head and body, once the head has said it

    def ask(self, name: str) -> None:
        """Sends a request, at once or when the connection is open.

        Raises:
            TransportError: the connection does not take it.
        """
        self._request = self.endpoint.request(name)
        self._received, self._size = b"", None
        if not self.opening:
            self._send()

    def advance(self) -> Response | None:
        """Goes on with what is ready; returns the answer when it is complete.

        Raises:
            TransportError: it can't be completed on this connection.
        """
        try:
            if self.opening and not self._open():
                return None
            while True:
                try:
                    data = self.socket.recv(RECEIVE_BYTES)
                except (BlockingIOError, ssl.SSLWantReadError):
                    return None
                if not data:
                    raise self._closed("the server closed the connection")
                self._received = self._received + data if self._received else data
                if (answer := self._parse()) is not None:
                    self.answers += 1
                    return answer
        except ConnectionError as error:
            raise self._closed(str(error)) from error
        except (OSError, ValueError) as error:
            raise TransportError(str(error) or type(error).__name__) from error

    def _closed(self, detail: str) -> TransportError:
        if self._received:
            return TransportError(f"{detail} in the middle of an answer")
        return ConnectionLost(f"{detail} without an answer")

    def close(self) -> None:
        """Closes the socket."""
        self.socket.close()

    def _open(self) -> bool:
        """Goes on connecting; returns whether the request is on its way."""
        if self.waits_for == EVENT_WRITE and not isinstance(self.socket, ssl.SSLSocket):
            if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise NotConnected(f"no connection to {self.endpoint.host}: {os.strerror(error)}")
            if self.context is not None:
                self.socket = self.context.wrap_socket(
                    self.socket,
                    server_hostname=self.endpoint.host,
                    do_handshake_on_connect=False,
                )
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except ssl.SSLWantReadError:
                self.waits_for = EVENT_READ
                return False
            except ssl.SSLWantWriteError:
                self.waits_for = EVENT_WRITE
                return False
        self.opening = False
        self.waits_for = EVENT_READ
        if self._request:
            self._send()
        return True

    def _send(self) -> None:
        try:
            sent = self.socket.send(self._request)
        except ConnectionError as error:
            raise self._closed(str(error)) from error
        except OSError as error:  # a few hundred bytes always fit into an idle socket
            raise TransportError(str(error) or type(error).__name__) from error
        if sent != len(self._request):
            raise TransportError("the request was cut short")

    def _parse(self) -> Response | None:
        """Returns the answer when all of it is there."""
        received = self._received
        if self._size is not None:
            return self._complete() if len(received) >= self._size else None
        end = received.find(b"\r\n\r\n")
        if end < 0:
            if len(received) > LARGEST_HEAD:
                raise ValueError("the answer's head has no end")
            return None
        self._head = parse_head(received[:end])
        self._start = end + 4
        if self._head.chunked:
            body = join_chunks(received[self._start :])
            return None if body is None else Response(self._head.status, body, self._head.closes)
        if self._head.length is None:
            raise ValueError("the answer says neither its length nor that it is chunked")
        self._size = self._start + self._head.length
        return self._complete() if len(received) >= self._size else None

    def _complete(self) -> Response:
        body = self._received[self._start : self._size]
        return Response(self._head.status, body, self._head.closes)


@dataclass
class Head:
    """What the head of an answer says that matters here; `length` is of the body in bytes."""

    status: int
    length: int | None
    chunked: bool
    closes: bool


def parse_head(head: bytes) -> Head:
    """Returns what the head of an answer says.

    Raises:
        ValueError: it is not the head of an HTTP answer.
    """
    if (status := STATUS.match(head)) is None:
        raise ValueError(f"not an HTTP answer: {head[:60]!r}")
    fields = head.lower()
    length = HEADER_LENGTH.search(fields)
    return Head(
        status=int(status[1]),
        length=int(length[1]) if length else None,
        chunked=HEADER_CHUNKED.search(fields) is not None,
        closes=HEADER_CLOSE.search(fields) is not None,
    )


def join_chunks(data: bytes) -> bytes | None:
    """Returns the content of a chunked body (RFC 9112, section 7.1); None when it is not all there.

    Raises:
        ValueError: it is not a chunked body.
    """
    content: list[bytes] = []
    place = 0
    while (line := data.find(b"\r\n", place)) >= 0:
        told = CHUNK_SIZE.match(data[place:line])
        if told is None:
            raise ValueError(f"not the size of a chunk: {data[place:line][:60]!r}")
        if not (size := int(told[1], 16)):  # trailer fields may follow, and then an empty line
            return b"".join(content) if data.find(b"\r\n\r\n", line) >= 0 else None
        start, place = line + 2, line + 2 + size + 2
        if len(data) < place:
            return None
        content.append(data[start : start + size])
    return None
