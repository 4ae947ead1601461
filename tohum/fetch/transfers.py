"""Many HTTP transfers at once in one thread, with libcurl.

libcurl handles sockets, TLS, names, IPv4 and IPv6 (RFC 8305), proxies, redirects, framing, limits
and time-outs. One multi handle (https://curl.se/libcurl/c/libcurl-multi.html) shares open
connections, names and TLS sessions among its transfers.
"""

import math
import os
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import pycurl

from tohum.fetch.addresses import without_secrets
from tohum.fetch.answers import NotConnected, Response, TooLarge, TransportError
from tohum.fetch.environment import Proxies, certificates, possible_connections
from tohum.fetch.gzip_members import MAGIC, gunzip, log_garbage

USER_AGENT = "tohum"
MOST_REDIRECTS = 5
LEAST_SPEED = 10  # bytes per second: 384 answers at once over a slow line stay far above it
DEADLINES = 10  # timeouts that a complete answer may take
RECEIVE_BYTES = 1 << 16  # the largest piece of an answer
PROTOCOLS = {  # of redirects: no way back from TLS
    "http": pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    "https": pycurl.PROTO_HTTPS,
}

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

CLOSED = frozenset({pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR})
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
    """One reusable libcurl handle, and the answer that it is receiving."""

    __slots__ = (
        *("asked_again", "encodings", "handle", "head_ended", "label", "left", "overflowed"),
        *("pieces", "scheme", "url"),
    )

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.label: Label | None = None
        self.pieces: list[bytes] = []
        self.left = 0
        self.overflowed = False
        self.encodings: list[str] = []
        self.head_ended = False
        self.asked_again = False
        self.scheme = ""
        self.url = ""

    def receive(self, piece: bytes) -> int | None:
        """Takes a piece of the body; -1 ends the transfer."""
        self.left -= len(piece)
        if self.left < 0:
            self.overflowed = True
            return -1
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


class Transfers(Generic[Label]):
    """Up to `limits.connections` transfers at once, each with a label of the caller.

    Args:
        compressed: request gzip and decompress it, as a browser does. Otherwise the bytes of an
            answer are handed over as sent, whatever Content-Encoding says.

    Raises:
        UserError: the environment names a proxy or certificates that can't be used.
    """

    def __init__(self, limits: Limits, compressed: bool = False) -> None:
        self._limits = limits
        self._connections = possible_connections(limits.connections)
        self._compressed = compressed
        self._proxies = Proxies.read()
        self._certificates = certificates()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        self._idle: list[Transfer[Label]] = []
        self._busy: dict[Any, Transfer[Label]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for handle in self._busy:
            self._multi.remove_handle(handle)
        for transfer in (*self._busy.values(), *self._idle):
            transfer.handle.close()
        self._multi.close()

    @property
    def free(self) -> bool:
        """Whether another transfer can start."""
        return len(self._busy) < self._connections

    def start(self, url: str, label: Label) -> None:
        """Starts to fetch a URL, which must be ASCII with a lower-case scheme."""
        transfer = self._idle.pop() if self._idle else self._new_transfer()
        handle = transfer.handle
        scheme = url.partition(":")[0].lower()
        if scheme != transfer.scheme:
            transfer.scheme = scheme
            handle.setopt(pycurl.REDIR_PROTOCOLS, PROTOCOLS[scheme])
            handle.setopt(pycurl.PROXY, self._proxies.by_scheme[scheme])
        handle.setopt(pycurl.URL, url)
        transfer.url, transfer.label = url, label
        self._begin(transfer, again=False)

    def _begin(self, transfer: Transfer[Label], again: bool) -> None:
        if again != transfer.asked_again:
            transfer.handle.setopt(pycurl.FRESH_CONNECT, again)
            transfer.asked_again = again
        transfer.overflowed = False
        transfer.pieces, transfer.left = [], self._limits.largest
        transfer.encodings, transfer.head_ended = [], False
        self._busy[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def _new_transfer(self) -> Transfer[Label]:
        """Returns a libcurl handle with everything that its transfers have in common."""
        timeout = self._limits.timeout
        handle = pycurl.Curl()
        transfer = Transfer[Label](handle)
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 1),
            (pycurl.MAXREDIRS, MOST_REDIRECTS),
            (pycurl.USERAGENT, USER_AGENT),
            (pycurl.CAINFO, self._certificates),
            (pycurl.PROXY_CAINFO, self._certificates),
            (pycurl.NOPROXY, self._proxies.exceptions),
            (pycurl.BUFFERSIZE, RECEIVE_BYTES),
            (pycurl.CONNECTTIMEOUT_MS, math.ceil(1000 * timeout)),
            (pycurl.TIMEOUT_MS, math.ceil(1000 * timeout * DEADLINES)),
            (pycurl.LOW_SPEED_LIMIT, LEAST_SPEED),
            (pycurl.LOW_SPEED_TIME, math.ceil(timeout)),
            (pycurl.MAXFILESIZE_LARGE, self._limits.largest),
            (pycurl.WRITEFUNCTION, transfer.receive),
        ):
            handle.setopt(option, value)
        if self._compressed:
            handle.setopt(pycurl.HTTPHEADER, ["Accept-Encoding: gzip"])
            handle.setopt(pycurl.HEADERFUNCTION, transfer.receive_header)
        return transfer

    def wait(self, seconds: float) -> None:
        """Waits until something arrives, at most this long."""
        self._multi.select(seconds)

    def advance(self) -> list[tuple[Label, Response | TransportError]]:
        """Does what is possible without waiting, and returns the transfers that have ended."""
        self._multi.perform()
        found: list[tuple[Label, Response | TransportError]] = []
        left = 1
        while left:
            left, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                transfer = self._end(handle)
                found.append((transfer.label, self._response(transfer)))  # type: ignore[arg-type]
                transfer.pieces = []
            for handle, code, message in failed:
                transfer = self._end(handle)
                if code in CLOSED and self._was_closed_before(transfer):
                    self._idle.remove(transfer)
                    self._begin(transfer, again=True)
                    continue
                error = self._error(transfer, code, message)
                found.append((transfer.label, error))  # type: ignore[arg-type]
                transfer.pieces = []
        return found

    def _end(self, handle: Any) -> Transfer[Label]:
        self._multi.remove_handle(handle)
        transfer = self._busy.pop(handle)
        self._idle.append(transfer)
        return transfer

    def _was_closed_before(self, transfer: Transfer[Label]) -> bool:
        """Whether a request may have met connections that the server had closed while they were
        idle: it used no new one, and got no byte of an answer. libcurl asks again by itself, but
        gives up after five such connections.
        """
        handle = transfer.handle
        used = handle.getinfo(pycurl.NUM_CONNECTS) == 0 == handle.getinfo(pycurl.HEADER_SIZE)
        return used and not transfer.asked_again

    def _response(self, transfer: Transfer[Label]) -> Response | TransportError:
        handle = transfer.handle
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        elsewhere = handle.getinfo(pycurl.REDIRECT_COUNT) > 0 and _is_elsewhere(transfer)
        pieces = transfer.pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if status != 200:
            return Response(status, body, elsewhere)
        if not body:
            # libcurl takes truncated headers for an empty answer of unknown length.
            unknown_length = handle.getinfo(pycurl.CONTENT_LENGTH_DOWNLOAD_T) < 0
            if unknown_length and not transfer.head_ended:
                return TransportError("the connection was closed without a body")
            return Response(status, body, elsewhere)
        try:
            return Response(status, self._decoded(transfer, body), elsewhere)
        except ValueError as error:
            return TransportError(str(error))
        except TooLarge as error:
            return error

    def _decoded(self, transfer: Transfer[Label], body: bytes) -> bytes:
        """Undoes Content-Encoding. What is no name of one is ignored, as browsers do.

        Raises:
            ValueError: the body is damaged, or in an encoding that was not asked for.
            TooLarge: it is too large decompressed.
        """
        for encoding in reversed(transfer.encodings):
            if encoding in OTHER_ENCODINGS:
                raise ValueError(f"the answer is in an encoding not asked for: {encoding}")
            if encoding in GZIP:
                content, garbage = gunzip(body, self._limits.largest)
                if body.startswith(MAGIC, len(body) - garbage):
                    raise ValueError("damaged gzip: cut off")
                if garbage:
                    log_garbage(without_secrets(transfer.url), garbage)
                body = content
        return body

    def _error(self, transfer: Transfer[Label], code: int, message: str) -> TransportError:
        """Returns what libcurl's error means (https://curl.se/libcurl/c/libcurl-errors.html)."""
        handle, timeout = transfer.handle, self._limits.timeout
        if transfer.overflowed or code == pycurl.E_FILESIZE_EXCEEDED:
            return TooLarge(f"the answer is larger than {self._limits.largest:,} bytes")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            if not handle.getinfo(pycurl.REQUEST_SIZE):
                return NotConnected(f"no connection within {timeout:g} s")
            if handle.getinfo(pycurl.TOTAL_TIME) >= DEADLINES * timeout:
                return TransportError(f"the answer took longer than {DEADLINES * timeout:g} s")
            return TransportError(f"nothing came for {math.ceil(timeout)} s")
        if code in NO_CONNECTION:
            number = code == pycurl.E_COULDNT_CONNECT and handle.getinfo(pycurl.OS_ERRNO)
            reason = f": {os.strerror(number)}" if number else ""
            return NotConnected(_plain(message) + reason)
        if code == pycurl.E_PARTIAL_FILE or (code == pycurl.E_RECV_ERROR and transfer.pieces):
            return TransportError("the connection was closed in the middle of an answer")
        if code in (pycurl.E_GOT_NOTHING, pycurl.E_RECV_ERROR):
            return TransportError("the connection was closed without an answer")
        return TransportError(_plain(message) or f"the answer is not HTTP (libcurl's error {code})")


def _is_elsewhere(transfer: Transfer[Any]) -> bool:
    """Whether redirects have led to another host."""
    last = transfer.handle.getinfo(pycurl.EFFECTIVE_URL)
    return bool(pycurl.CurlUrl(last).host.lower() != pycurl.CurlUrl(transfer.url).host.lower())


def _plain(message: str) -> str:
    """Returns a libcurl message without what differs from run to run."""
    return re.sub(r" after \d+ ms", "", message)
