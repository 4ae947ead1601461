"""Software Heritage's public bucket: gzip members at /content/<sha1>, and what S3 says when not.

An object is one gzip member without name or time, as swh-objstorage writes it, served without a
Content-Encoding, so that a client gets the member itself. Errors are S3's XML, sent in chunks.
/raw/<name> serves plain bytes, with the same faults, for datasets that are lists of URLs.
"""

import hashlib
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from types import TracebackType
from typing import Self

from tests.fakes.faults import Schedule
from tests.fakes.messages import Interruption, Reply, Request, file_reply
from tests.fakes.server import Script, Server

GZIP_WBITS = 31
OTHER_CONTENT = b"// not what was asked for\n"
PAGE = b"<html><body>Captive portal: please sign in</body></html>"


class Fault(Enum):
    """What can happen to a request for an object."""

    ACCESS_DENIED = auto()
    SLOW_DOWN = auto()
    INTERNAL_ERROR = auto()
    NO_SUCH_KEY = auto()
    DISCONNECTED = auto()  # the connection closes without an answer
    TRUNCATED = auto()  # half of the body, less than Content-Length, then the connection closes
    STALLED = auto()  # half of the body, then silence on an open connection
    OTHER_BYTES = auto()  # a valid object with other content, so a wrong SHA-1
    HALF_OBJECT = auto()  # half of the object with a Content-Length that agrees
    NOT_GZIP = auto()  # a page of HTML with status 200
    UNCOMPRESSED = auto()  # the content itself, as if it were stored without gzip


ERRORS = {
    Fault.NO_SUCH_KEY: (404, "NoSuchKey", "The specified key does not exist."),
    Fault.ACCESS_DENIED: (403, "AccessDenied", "Access Denied"),
    Fault.SLOW_DOWN: (503, "SlowDown", "Please reduce your request rate."),
    Fault.INTERNAL_ERROR: (
        500,
        "InternalError",
        "We encountered an internal error. Please try again.",
    ),
}


class FakeContentStore:
    """Serves `blobs`, uncompressed content by SHA-1, and `raw`, bytes by name.

    `fetches` counts the requests, GET and HEAD, for each blob id and each raw name. `latency` is in
    seconds. Both mappings may be changed while it runs.
    """

    def __init__(
        self,
        blobs: Mapping[str, bytes],
        raw: Mapping[str, bytes] | None = None,
        latency: float = 0.0,
        keep_alive: bool = True,
    ) -> None:
        self.blobs = dict(blobs)
        self.raw = dict(raw or {})
        self.fetches: Counter[str] = Counter()
        self._faults: Schedule[Fault] = Schedule()
        self._server = Server(self._answer, "content store", latency, keep_alive)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, traceback)

    @property
    def endpoint(self) -> str:
        """The address without a slash at its end."""
        return self._server.endpoint

    @property
    def content_url(self) -> str:
        """The address to which a blob id is appended."""
        return f"{self.endpoint}/content/"

    def raw_url(self, name: str) -> str:
        """The address of one of `raw`."""
        return f"{self.endpoint}/raw/{name}"

    @property
    def requests(self) -> list[Request]:
        """Every request in order of arrival."""
        return self._server.requests

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._server.connections

    @property
    def max_concurrent(self) -> int:
        """The most requests that waited for an answer at one time."""
        return self._server.max_concurrent

    def set_latency(self, seconds: float) -> None:
        """Waits so long before each answer from now on."""
        self._server.latency = seconds

    def set_keep_alive(self, keep_alive: bool) -> None:
        """Closes each connection after its next answer, or leaves it open."""
        self._server.keep_alive = keep_alive

    def fail(self, fault: Fault, times: float = 1, key: str = "") -> None:
        """Sets a fault for the next requests, or for those of one blob id or raw name."""
        self._faults.add(fault, times, key)

    def play(self, script: Script, times: float = 1, key: str = "") -> None:
        """Has the next answers, or those about one blob id or raw name, sent by a script."""
        self._server.scripts.add(script, times, key)

    def heal(self) -> None:
        """Forgets every fault."""
        self._faults.clear()
        self._server.scripts.clear()

    def _answer(self, request: Request) -> Reply | None:
        folder, _, key = request.path.lstrip("/").partition("/")
        self.fetches[key] += 1
        fault = self._faults.take(key)
        if fault is Fault.DISCONNECTED:
            return None
        if request.method not in ("GET", "HEAD"):
            return s3_error(Fault.ACCESS_DENIED, request)
        content = {"content": self.blobs, "raw": self.raw}.get(folder, {}).get(key)
        if fault in ERRORS or content is None:
            return s3_error(fault if fault in ERRORS else Fault.NO_SUCH_KEY, request)
        body = stored(content, fault, compressed=folder == "content")
        reply = file_reply(request, body, f'"{hashlib.md5(body).hexdigest()}"', s3_headers(request))
        if fault in (Fault.TRUNCATED, Fault.STALLED):
            stall = fault is Fault.STALLED
            return replace(reply, interruption=Interruption(len(reply.body) // 2, stall))
        return reply


def gzip_member(content: bytes) -> bytes:
    """The object of this content in the bucket (swh/objstorage/objstorage.py)."""
    compressor = zlib.compressobj(wbits=GZIP_WBITS)
    return compressor.compress(content) + compressor.flush()


def stored(content: bytes, fault: Fault | None, compressed: bool) -> bytes:
    """The bytes that are served for this content."""
    if fault is Fault.NOT_GZIP:
        return PAGE
    if fault is Fault.UNCOMPRESSED:
        return content
    if fault is Fault.OTHER_BYTES:
        content = OTHER_CONTENT
    body = gzip_member(content) if compressed else content
    return body[: len(body) // 2] if fault is Fault.HALF_OBJECT else body


def s3_headers(request: Request) -> dict[str, str]:
    """The headers of every answer of S3."""
    request_id = hashlib.sha256(request.target.encode()).hexdigest().upper()
    return {
        "x-amz-id-2": request_id[16:],
        "x-amz-request-id": request_id[:16],
        "Last-Modified": "Mon, 26 Feb 2024 10:00:00 GMT",
        "Content-Type": "application/octet-stream",
        "Server": "AmazonS3",
    }


def s3_error(fault: Fault, request: Request) -> Reply:
    """An error of S3 with its XML body."""
    status, code, message = ERRORS[fault]
    headers = s3_headers(request)
    key = request.path.lstrip("/")
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><Key>{key}</Key>"
        f"<RequestId>{headers['x-amz-request-id']}</RequestId>"
        f"<HostId>{headers['x-amz-id-2']}</HostId></Error>"
    )
    headers |= {"Content-Type": "application/xml"}
    return Reply(status, body.encode(), headers, chunked=True)
