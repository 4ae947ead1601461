"""Requests for a range of a file's bytes, with libcurl: each answer is checked as it comes.

A server may answer with a login page, with another range, with nothing, or slowly for ever. Such an
answer ends as soon as it shows; no byte of it is taken for the file's.
"""

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pycurl

from tohum.errors import UserError
from tohum.fetch.curl_setup import CurlSetup
from tohum.fetch.handles import plain_message
from tohum.sources.rate_limit import told_wait

LEAST_ANSWER = 1 << 16  # bytes; a server that sends less at a time is asked again as if it failed
MOST_HEADER_BYTES = 1 << 16
LEAST_SPEED = 2048  # bytes per second; a modem's line has three times that
POLL_SECONDS = 0.1
RECEIVE_BYTES = 1 << 17
NO_ACCESS = frozenset({401, 403, 404, 410, 451})
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)

Take = Callable[[bytes], Any]


class Fault(Exception):
    """The answer is not the wanted bytes, or not all of them; another try may bring the rest.

    `wait` are the seconds that the server asks for.
    """

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Wanted:
    """The bytes from `start` to `end`, inclusive, of a file of `size` bytes."""

    url: str
    headers: dict[str, str]
    size: int
    start: int
    end: int


class Answer:
    """What one request brings; `left` is the number of announced bytes that have not come."""

    def __init__(self, wanted: Wanted, take: Take) -> None:
        self.wanted = wanted
        self.take = take
        self.left = wanted.end - wanted.start + 1
        self.came = 0  # of the wanted bytes
        self.arrived = 0  # bytes of any kind
        self.error: BaseException | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self._header_bytes = 0
        self._skip = 0
        self._begun = False

    def receive_header(self, line: bytes) -> int | None:
        """Takes a line of the header; that of a redirect's target replaces it."""
        self.arrived += len(line)
        self._header_bytes += len(line)
        if self._header_bytes > MOST_HEADER_BYTES:
            self.error = Fault("the answer's header has no end")
            return -1
        if line.startswith(b"HTTP/"):
            self.status, self.headers = 0, {}
            code = line.split(None, 2)[1:2]
            self.status = int(code[0]) if code and code[0].isdigit() else 0
        else:
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.strip().lower()] = value.strip()
        return None

    def receive(self, piece: bytes) -> int | None:
        """Takes a piece of the body; -1 ends the answer."""
        self.arrived += len(piece)
        try:
            self.begin()
            skipped = min(self._skip, len(piece))
            self._skip -= skipped
            kept = piece[skipped : skipped + self.left]
            self.take(kept)
            self.left -= len(kept)
            self.came += len(kept)
        except Exception as error:  # libcurl would only print it; it is raised when it has ended
            self.error = error
            return -1
        more = skipped + len(kept) < len(piece) or self.status == 200
        return -1 if more and not self.left else None

    def begin(self) -> None:
        """Checks status and header.

        Raises:
            Fault: they don't announce the wanted bytes.
            UserError: there is no access.
        """
        if self._begun:
            return
        self._begun = True
        wanted = self.wanted
        if self.status == 206:
            given = self.headers.get("content-range", "")
            match = CONTENT_RANGE.fullmatch(given)
            first, last, size = match.groups() if match else ("", "", "")
            if not match or int(first) != wanted.start or not wanted.start <= int(last):
                raise Fault(f"bytes {wanted.start}-{wanted.end} were asked for, '{given}' came")
            if size not in ("*", str(wanted.size)):
                raise Fault(f"the server's file has {size} bytes, the Hub lists {wanted.size}")
            self.left = min(self.left, int(last) - wanted.start + 1)
        elif self.status == 200:
            self._check_whole()
            self._skip = wanted.start
        else:
            self._refuse()

    def _check_whole(self) -> None:
        """Checks an answer that has the whole file, from a server that ignores Range."""
        length = self.headers.get("content-length", "")
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        path = self.wanted.url.partition("?")[0].lower()
        page = kind in ("text/html", "application/xhtml+xml")
        if page and not path.endswith((".html", ".htm", ".xhtml")):
            raise Fault(
                "a web page came in place of the file; does this network want you to log in?"
            )
        if length and length != str(self.wanted.size):
            raise Fault(f"{length} bytes came in place of the file's {self.wanted.size}")

    def _refuse(self) -> None:
        told = self.headers.get("x-error-message", "")[:200]
        message = f"HTTP {self.status} {told if told.isprintable() else ''}".strip()
        if self.status in NO_ACCESS:
            raise UserError(
                f"{self.wanted.url} answers {message}. Check that you still have access."
            )
        if self.status == 416:
            message += f": it has no byte {self.wanted.start}, the Hub lists {self.wanted.size}"
        raise Fault(message, told_wait(self.headers))


class Connection:
    """A libcurl handle, whose open connections serve one request after another in one thread."""

    def __init__(self) -> None:
        self._handle = pycurl.Curl()
        self._multi = pycurl.CurlMulti()

    def get(self, wanted: Wanted, take: Take, timeout: tuple[float, float]) -> None:
        """Hands the wanted bytes to `take`, in order, piece by piece; the first of them, at least
        LEAST_ANSWER, if the server sends no more at once.

        Args:
            timeout: seconds to connect, and of any time in which LEAST_SPEED must be reached.

        Raises:
            Fault: they did not all come.
            UserError: there is no access, or the environment names an unusable proxy.
        """
        answer = Answer(wanted, take)
        self._prepare(answer, timeout[0])
        self._multi.add_handle(self._handle)
        try:
            failure = self._run(answer, timeout[1])
        finally:
            self._multi.remove_handle(self._handle)
        if answer.error is not None:
            raise answer.error
        if answer.status and not failure:
            answer.begin()
        whole = wanted.end - wanted.start + 1
        if answer.left or answer.came < min(whole, LEAST_ANSWER):
            reason = failure or "the answer ended"
            raise Fault(f"{reason}; {answer.came} of {whole} bytes came")

    def _prepare(self, answer: Answer, connect_seconds: float) -> None:
        wanted, handle, setup = answer.wanted, self._handle, CurlSetup()
        headers = {**wanted.headers, "Accept-Encoding": "identity"}
        handle.reset()
        setup.prepare(handle)
        setup.choose_scheme(handle, wanted.url.partition(":")[0].lower())
        for option, value in (
            (pycurl.URL, wanted.url),
            (pycurl.RANGE, f"{wanted.start}-{wanted.end}"),
            (pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()]),
            (pycurl.BUFFERSIZE, RECEIVE_BYTES),
            (pycurl.CONNECTTIMEOUT_MS, max(1, int(1000 * connect_seconds))),
            (pycurl.HEADERFUNCTION, answer.receive_header),
            (pycurl.WRITEFUNCTION, answer.receive),
        ):
            handle.setopt(option, value)

    def _run(self, answer: Answer, seconds: float) -> str:
        """Runs the request to its end, and returns what went wrong, if anything."""
        since, before = time.monotonic(), 0
        while True:
            self._multi.perform()
            _, succeeded, failed = self._multi.info_read()
            if succeeded:
                return ""
            if failed:
                return plain_message(failed[0][2])
            if self._multi.select(POLL_SECONDS) == -1:
                time.sleep(POLL_SECONDS / 10)  # it has nothing to wait for yet
            now = time.monotonic()
            if now - since >= seconds:
                if answer.arrived - before < LEAST_SPEED * (now - since):
                    return f"fewer than {LEAST_SPEED} bytes per second came for {seconds:g} s"
                since, before = now, answer.arrived


@functools.cache
def connection() -> Connection:
    """Returns this process's connection."""
    return Connection()
