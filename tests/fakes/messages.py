"""What the fake services are asked and what they answer, and how both look in HTTP/1.1."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SPAN = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """One request as it came in; the names of its headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    server: str = ""

    @property
    def path(self) -> str:
        """The path with its %XX resolved and without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def segments(self) -> list[str]:
        """The parts of the path; a part sent as `data%2FPython` is one part."""
        return [unquote(part) for part in urlsplit(self.target).path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, the last of each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def token(self) -> str:
        """The bearer token, or nothing."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Interruption:
    """The body stops after this many bytes, though its Content-Length promises more.

    The connection then closes, or with `stall` stays open and silent until the client leaves.
    """

    after: int
    stall: bool = False


@dataclass(frozen=True)
class Reply:
    """One answer. With `chunked` no Content-Length is told; with `close` the connection ends."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    interruption: Interruption | None = None
    chunked: bool = False
    close: bool = False

    def head(self) -> bytes:
        """The status line and the headers, the empty line included."""
        framing = (
            {"Transfer-Encoding": "chunked"}
            if self.chunked
            else {"Content-Length": str(len(self.body))}
        )
        headers = {"Date": formatdate(usegmt=True), **self.headers, **framing}
        if self.close:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def payload(self) -> bytes:
        """The body as it goes over the wire, up to the interruption."""
        if self.chunked:
            chunk = b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b""
            return chunk + b"0\r\n\r\n"
        return self.body if self.interruption is None else self.body[: self.interruption.after]


def json_reply(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> Reply:
    """A reply whose body is `value` in JSON."""
    content_type = {"Content-Type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(value).encode(), {**content_type, **(headers or {})})


def file_reply(
    request: Request,
    body: bytes,
    etag: str,
    headers: dict[str, str] | None = None,
    ranges: bool = True,
) -> Reply:
    """Answers for a file: 200, or 206, 412 and 416 by Range, If-Range and If-Match (RFC 9110).

    Without `ranges` a Range is ignored, which RFC 9110, 14.2 allows. Several ranges at once are
    ignored always. `etag` comes with its quotes.
    """
    told = {"ETag": etag, "Accept-Ranges": "bytes" if ranges else "none", **(headers or {})}
    matches = request.headers.get("if-match", "*")
    if matches != "*" and etag not in (tag.strip() for tag in matches.split(",")):
        return Reply(412, headers=told)
    span = _span(request, len(body), etag) if ranges else None
    if span is None:
        return Reply(200, body, told)
    if span.start >= len(body):
        return Reply(416, headers={**told, "Content-Range": f"bytes */{len(body)}"})
    content_range = f"bytes {span.start}-{span.stop - 1}/{len(body)}"
    return Reply(206, body[span.start : span.stop], {**told, "Content-Range": content_range})


def _span(request: Request, size: int, etag: str) -> range | None:
    """The bytes that a GET asks for, or None where it gets the whole file."""
    asked = SPAN.fullmatch(request.headers.get("range", ""))
    if asked is None or request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    stop = min(int(last) + 1, size) if last else size
    return None if last and int(last) < int(first) else range(int(first), stop)


async def read_request(reader: asyncio.StreamReader, server: str) -> Request | None:
    """Reads one request with its body, or None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body, server)
