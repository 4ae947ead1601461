"""Many HTTP transfers at once in one thread, with libcurl.

libcurl handles sockets, TLS, names, IPv4 and IPv6 (RFC 8305), proxies, redirects, framing, limits
and time-outs. One multi handle (https://curl.se/libcurl/c/libcurl-multi.html) shares open
connections, names and TLS sessions among its transfers.
"""

import math
from collections import deque
from types import TracebackType
from typing import Any, Generic, Self

import pycurl

from tohum.fetch.answers import Response, TransportError
from tohum.fetch.curl_setup import CurlSetup
from tohum.fetch.environment import possible_connections
from tohum.fetch.handles import DEADLINES, Label, Limits, Transfer

USER_AGENT = "tohum"
LEAST_SPEED = 10  # bytes per second: 384 answers at once over a slow line stay far above it
LARGE_AT_ONCE = 8  # bodies above SMALL_BODY; it bounds the memory that servers can take
RECEIVE_BYTES = 1 << 16  # the largest piece of an answer
CLOSED = frozenset({pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR})


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
        self._setup = CurlSetup()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        self._idle: list[Transfer[Label]] = []
        self._busy: dict[Any, Transfer[Label]] = {}
        self._postponed: deque[Transfer[Label]] = deque()
        self._large = 0

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
        for transfer in (*self._busy.values(), *self._postponed, *self._idle):
            transfer.handle.close()
        self._multi.close()

    @property
    def free(self) -> bool:
        """Whether another transfer can start."""
        return len(self._busy) + len(self._postponed) < self._connections

    def start(self, url: str, label: Label) -> None:
        """Starts to fetch a URL, which must be ASCII with a lower-case scheme."""
        transfer = self._idle.pop() if self._idle else self._new_transfer()
        handle = transfer.handle
        scheme = url.partition(":")[0].lower()
        if scheme != transfer.scheme:
            transfer.scheme = scheme
            self._setup.choose_scheme(handle, scheme)
        handle.setopt(pycurl.URL, url)
        transfer.url, transfer.label = url, label
        self._begin(transfer, again=False)

    def _begin(self, transfer: Transfer[Label], again: bool) -> None:
        if again != transfer.asked_again:
            transfer.handle.setopt(pycurl.FRESH_CONNECT, again)
            transfer.asked_again = again
        transfer.reset()
        self._busy[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def _new_transfer(self) -> Transfer[Label]:
        """Returns a libcurl handle with everything that its transfers have in common."""
        timeout = self._limits.timeout
        handle = pycurl.Curl()
        transfer = Transfer[Label](handle, self._limits, self._grow)
        self._setup.prepare(handle)
        for option, value in (
            (pycurl.USERAGENT, USER_AGENT),
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
                transfer = self._take_out(handle)
                found.append((transfer.label, transfer.response()))  # type: ignore[arg-type]
                self._finish(transfer)
            for handle, code, message in failed:
                transfer = self._take_out(handle)
                if transfer.postponed:
                    transfer.reset()
                    self._postponed.append(transfer)
                elif code in CLOSED and transfer.was_closed_before():
                    self._begin(transfer, again=True)
                else:
                    found.append((transfer.label, transfer.error(code, message)))  # type: ignore[arg-type]
                    self._finish(transfer)
        self._resume()
        return found

    def _take_out(self, handle: Any) -> Transfer[Label]:
        self._multi.remove_handle(handle)
        return self._busy.pop(handle)

    def _finish(self, transfer: Transfer[Label]) -> None:
        self._large -= transfer.large
        transfer.large = False
        transfer.reset()
        self._idle.append(transfer)

    def _grow(self) -> bool:
        """Takes one of the places for large bodies if one is free."""
        if self._large == LARGE_AT_ONCE:
            return False
        self._large += 1
        return True

    def _resume(self) -> None:
        """Starts again what had to wait for a place."""
        while self._postponed and self._grow():
            transfer = self._postponed.popleft()
            transfer.large = True
            self._begin(transfer, again=transfer.asked_again)
