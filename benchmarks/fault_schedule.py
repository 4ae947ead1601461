"""The faults of store and Hub that benchmarks/faults.py runs, and what each may cost."""

from dataclasses import dataclass
from typing import Any

from benchmarks import misbehaviour as does
from tests.fakes.faults import FOREVER
from tests.fakes.server import Script

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True)
class Fault:
    """A fault: who misbehaves, how, and what it may cost.

    `times` is the number of requests about a blob (or about a file of the Hub) that meet it.
    `costs` is the fate of the blobs that it meets; None: nothing is lost. `ends` says that
    the stage may end with an error, after which a run without the fault must complete it.
    """

    name: str
    script: Script
    times: float = 1
    costs: str | None = None
    everywhere: bool = False
    at: str = "store"
    part: str = ""
    max_rows: int | None = None
    ends: bool = False


def for_good(name: str, script: Script, costs: str) -> Fault:
    """A fault that a tenth of the blobs meet at every try."""
    return Fault(name, script, FOREVER, costs)


def hub(name: str, script: Script, part: str = "/resolve/", **values: Any) -> Fault:
    """A fault of the Hub, whose file is taken whole."""
    return Fault(name, script, at="hub", part=part, everywhere=True, **values)


def ranges(name: str, script: Script, part: str = "/resolve/", **values: Any) -> Fault:
    """A fault of the Hub while rows are read from it by Range."""
    return hub(f"{name}, by Range", script, part, max_rows=1_000_000, **values)


PASSING_STATUSES = (*range(400, 404), 405, 407, 408, 409, 416, 418, 421, 425, 429, 500, 501, 502)
PASSING_STATUSES += (503, 504, 505, 507, 508, 509, 511, 520, 521, 522, 523, 524, 525, 530, 599)

STORE_FAULTS = [
    Fault("none", does.normally),
    *(Fault(f"status {code}, once", does.status(code)) for code in PASSING_STATUSES),
    Fault("204 without a body, once", does.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    Fault("206 for a whole request, once", does.status(206)),
    Fault("304, once", does.raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")),
    for_good("status 404", does.status(404), "missing"),
    for_good("status 410", does.status(410), "missing"),
    for_good("status 451", does.status(451), "missing"),
    for_good("status 403", does.status(403), "missing"),
    for_good("status 521", does.status(521), "unreachable"),
    for_good("status 500", does.status(500), "unreachable"),
    Fault("503 for all, 3 s", does.for_seconds(3, does.status(503)), FOREVER, everywhere=True),
    Fault("429 with Retry-After for all, 3 s",
          does.for_seconds(3, does.status(429, Retry_After="2")), FOREVER, everywhere=True),
    Fault("403 for all, 3 s", does.for_seconds(3, does.status(403)), FOREVER, everywhere=True),
    Fault("no answers at all, 3 s", does.for_seconds(3, does.close), FOREVER, everywhere=True),
    Fault("silence for all, 3 s", does.for_seconds(3, does.silence), FOREVER, everywhere=True),
    Fault("a fifth of all answers is 500", does.at_random(0.2, does.status(500), 1), FOREVER,
          everywhere=True),
    Fault("a fifth of all connections breaks", does.at_random(0.2, does.reset, 2), FOREVER,
          everywhere=True),
    Fault("redirect, 301", does.moved(301)),
    Fault("redirect, 307", does.moved(307)),
    for_good("redirect without end", does.moved(302), "unreachable"),
    for_good("redirect without a Location", does.status(302, b""), "unreachable"),
    for_good("redirect to another protocol", does.moved(302, location="file:///etc/passwd"),
             "unreachable"),
    for_good("redirect to a closed port", does.moved(302, location="http://127.0.0.1:1/"),
             "unreachable"),
    Fault("no answer, once", does.close),
    for_good("no answer", does.close, "unreachable"),
    Fault("reset in the body, once", does.reset),
    Fault("half a body, once", does.wire(lambda head, body: [head, body[: len(body) // 2]])),
    Fault("half a body, then silence, once",
          does.wire(lambda head, body: [head, body[: len(body) // 2]], hold=True)),
    Fault("silence, once", does.silence),
    for_good("silence", does.silence, "unreachable"),
    for_good("one byte of a header a time", does.endless_slowly(OK + b"X: "), "unreachable"),
    for_good("one byte of the body a time",
             does.endless_slowly(OK + b"Content-Length: 4000\r\n\r\n"), "unreachable"),
    Fault("headers that end in LF, once", does.wire(
        lambda head, body: [head.replace(b"\r\n", b"\n"), body], goes_on=True)),
    for_good("negative Content-Length", does.raw(OK + b"Content-Length: -1\r\n\r\n", hold=True),
             "unreachable"),
    for_good("Content-Length of 10^18",
             does.raw(OK + b"Content-Length: 1000000000000000000\r\n\r\nabc", hold=True),
             "unreachable"),
    for_good("Content-Length that isn't a number",
             does.raw(OK + b"Content-Length: many\r\n\r\nabc", goes_on=False), "unreachable"),
    for_good("body without end", does.endless(OK + b"\r\n", does.PIECE), "unreachable"),
    for_good("chunks without end", does.endless(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + does.PIECE + b"\r\n"),
        "unreachable"),
    for_good("headers without end", does.endless(OK, b"X-Padding: " + b"a" * 1000 + b"\r\n"),
             "unreachable"),
    for_good("100 Continue without end", does.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
             "unreachable"),
    Fault("100 Continue before the answer", does.wire(
        lambda head, body: [b"HTTP/1.1 100 Continue\r\n\r\n", head, body], goes_on=True)),
    Fault("broken chunk, once", does.raw(
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", goes_on=False)),
    Fault("chunks that break off, once", does.raw(
        OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\nabc", goes_on=False)),
    Fault("HTTP/0.9, once", does.raw(does.PAGE, goes_on=False)),
    Fault("HTTP/1.0 without a length", does.wire(
        lambda head, body: [b"HTTP/1.0 200 OK\r\n\r\n", body]), FOREVER, everywhere=True),
    Fault("closes after each answer", does.wire(lambda head, body: [head, body]), FOREVER,
          everywhere=True),
    Fault("Connection: close that stays open", does.wire(
        lambda head, body: [head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), body],
        hold=True), FOREVER, everywhere=True),
    Fault("bytes after the body, once", does.wire(
        lambda head, body: [head, body, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"],
        goes_on=True)),
    Fault("in pieces of 8 kB of 20 bytes", does.wire(
        lambda head, body: [head, *(body[at : at + 20] for at in range(0, len(body), 20))],
        goes_on=True), FOREVER),
    Fault("page of a captive portal, once", does.body(lambda body: does.PAGE)),
    Fault("page of a captive portal for all, 3 s",  # with 200 for what isn't there, too
          does.for_seconds(3, does.status(200)), FOREVER, everywhere=True),
    Fault("flipped bit, once", does.body(does.flipped)),
    for_good("flipped bit", does.body(does.flipped), "corrupt"),
    for_good("empty body", does.body(lambda body: b""), "corrupt"),
    for_good("half an object of the right length", does.body(lambda body: body[: len(body) // 2]),
             "corrupt"),
    for_good("gzip bomb", does.body(lambda body: does.BOMB), "unreachable"),
    Fault("two gzip members", does.body(does.two_members), FOREVER),
    Fault("garbage after the gzip member", does.body(lambda body: body + b"garbage"), FOREVER),
    Fault("not compressed", does.body(does.unzipped), FOREVER),
    Fault("compressed twice", does.body(does.zipped, Content_Encoding="gzip"), FOREVER),
    Fault("Content-Encoding: br that is not", does.body(lambda body: body, Content_Encoding="br"),
          1),
]  # fmt: skip

HUB_FAULTS = [
    *(hub(f"Hub: status {code}, once", does.status(code)) for code in (408, 429, 500, 502, 521)),
    hub("Hub: 503 for 3 s", does.for_seconds(3, does.status(503)), "", times=FOREVER),
    hub("Hub: status 500 of the listing, once", does.status(500), "/api/"),
    hub("Hub: listing that is not JSON", does.status(200), "/tree/", times=FOREVER, ends=True),
    hub("Hub: page of a captive portal", does.status(200, Content_Type="text/html"),
        times=FOREVER, ends=True),
    hub("Hub: half a file, once", does.wire(lambda head, body: [head, body[: len(body) // 2]]),
        "/lfs/"),
    hub("Hub: half a file, then silence, once",
        does.wire(lambda head, body: [head, body[: len(body) // 2]], hold=True), "/lfs/"),
    hub("Hub: no answer, once", does.close, "/lfs/"),
    hub("Hub: no answer to the listing, once", does.close, "/tree/"),
    hub("Hub: no answer at all", does.close, "", times=FOREVER, ends=True),
    hub("Hub: status 500 of the listing", does.status(500), "/tree/", times=FOREVER, ends=True),
    hub("Hub: redirect to a closed port", does.moved(302, location="http://127.0.0.1:1/"),
        times=FOREVER, ends=True),
    hub("Hub: redirect without end", does.moved(302), times=FOREVER, ends=True),
    hub("Hub: flipped bit, once", does.body(does.flipped), "/lfs/"),
    hub("Hub: flipped bit", does.body(does.flipped), "/lfs/", times=FOREVER, ends=True),
    hub("Hub: one byte a time", does.slowly, "/lfs/", times=FOREVER, ends=True),
    hub("Hub: a file of another size", does.endless_slowly(OK + b"Content-Length: 40000\r\n\r\n"),
        "/lfs/", times=FOREVER, ends=True),
    hub("Hub: file without end", does.endless(OK + b"\r\n", does.PIECE), "/lfs/", times=FOREVER,
        ends=True),
    *(ranges(f"Hub: status {code}, once", does.status(code)) for code in (429, 500, 503, 521)),
    ranges("Hub: no answer, once", does.close),
    ranges("Hub: half an answer, once",
           does.wire(lambda head, body: [head, body[: len(body) // 2]]), "/lfs/"),
    ranges("Hub: 206 with an empty body", does.raw(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n"), "/lfs/", times=FOREVER,
        ends=True),
    ranges("Hub: page of a captive portal", does.status(200, Content_Type="text/html"),
        times=FOREVER, ends=True),
    ranges("Hub: one byte a time", does.slowly, "/lfs/", times=FOREVER, ends=True),
    ranges("Hub: 206 without a range", does.endless_slowly(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4000\r\n\r\n"), "/lfs/", times=FOREVER,
        ends=True),
    ranges("Hub: silence", does.silence, "/lfs/", times=FOREVER, ends=True),
    ranges("Hub: flipped bit", does.body(does.flipped), "/lfs/", times=FOREVER, ends=True),
]  # fmt: skip

FAULTS = STORE_FAULTS + HUB_FAULTS
