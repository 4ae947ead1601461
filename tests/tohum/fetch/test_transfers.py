import gzip
import itertools
import re
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.raw_server import (
    HELLO,
    RawServer,
    Talk,
    answering,
    make_certificate,
    reset,
    server_context,
)
from tohum.errors import UserError
from tohum.fetch import gzip_members, handles
from tohum.fetch import transfers as transfers_module
from tohum.fetch.answers import (
    EndlessRedirects,
    NotConnected,
    Response,
    TooLarge,
    TransportError,
)
from tohum.fetch.curl_setup import MOST_REDIRECTS
from tohum.fetch.handles import Limits
from tohum.fetch.transfers import Transfers

pytestmark = pytest.mark.slow


LIMITS = Limits(connections=4, timeout=5, largest=10_000_000)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

Answer = Response | TransportError


def end(transfers: Transfers[str]) -> tuple[str, Answer]:
    """Waits for the one transfer that is on its way."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if ended := transfers.advance():
            assert len(ended) == 1
            return ended[0]
        transfers.wait(0.01)
    raise AssertionError("no end")


def get(url: str, limits: Limits = LIMITS, compressed: bool = False) -> Answer:
    with Transfers[str](limits, compressed) as transfers:
        transfers.start(url, "label")
        label, answer = end(transfers)
    assert label == "label"
    return answer


def served(talk: Talk, limits: Limits = LIMITS, compressed: bool = False) -> Answer:
    with RawServer(talk) as server:
        return get(server.url, limits, compressed)


def error_of(answer: Answer) -> str:
    assert isinstance(answer, TransportError)
    return str(answer)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Response]:
    """The bytes of an answer, framed and spelled in one of the ways that HTTP allows."""
    status = draw(st.sampled_from([200, 404, 503]))
    space = draw(st.sampled_from([b"", b" ", b" \t"]))
    head = [b"HTTP/1.1 %d Some Reason" % status, b"Server: AmazonS3"]
    chunks = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    body = b"".join(chunks)
    chunked = draw(st.booleans())
    if chunks and chunked:
        head.append(b"Transfer-Encoding:" + space + b"chunked")
        extension = draw(st.sampled_from([b"", b";name=value", b" ;x"]))
        trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
        sized = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
        sent = b"".join(sized) + b"0" + extension + b"\r\n" + trailers + b"\r\n"
    else:
        head.append(b"Content-Length:" + space + b"%d" % len(body))
        sent = body
    lines = draw(st.sampled_from([head, [head[0], *(line.lower() for line in head[1:])]]))
    newline = draw(st.sampled_from([b"\r\n", b"\n"]))
    return newline.join(lines) + newline * 2 + sent, Response(status, body)


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[RawServer, list[list[bytes]]]]:
    """A server that answers each request with the next list of pieces."""
    scripts: list[list[bytes]] = []

    def talk(server: RawServer, connection: socket.socket) -> None:
        while server.request(connection):
            for piece in scripts.pop(0):
                connection.sendall(piece)
                time.sleep(0.0005)

    with RawServer(talk) as server:
        yield server, scripts


@settings(deadline=None, max_examples=80)
@given(found=st.lists(answers(), min_size=1, max_size=3), size=st.integers(5, 60))
def test_an_answer_is_the_same_wherever_the_network_cuts_it(
    scripted: tuple[RawServer, list[list[bytes]]], found: list[tuple[bytes, Response]], size: int
) -> None:
    server, scripts = scripted
    before = server.connections
    with Transfers[str](LIMITS) as transfers:
        for sent, expected in found:
            scripts.append([sent[start : start + size] for start in range(0, len(sent), size)])
            transfers.start(server.url, "")
            assert end(transfers)[1] == expected
    assert server.connections == before + 1


@pytest.mark.parametrize("size", [b"-6", b"many", b"0x5 0x5", b""])
def test_a_chunk_without_a_size_is_an_error(size: bytes) -> None:
    error_of(served(answering(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n")))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/0.9"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "HTTP/0.9"),
        (b"HTTP/1.1 soon\r\n\r\n", "Unsupported HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: y\r\n" * 50_000, "Too large|headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\nhello", "Invalid Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "Invalid Content-Length"),
        (HELLO[:-1], "in the middle of an answer"),
        (CHUNKED + b"5\r\nhello\r\n", "in the middle of an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", "without a body"),
        (b"", "without an answer"),
    ],
)
def test_what_is_not_a_whole_answer_is_an_error(answer: bytes, message: str) -> None:
    found = served(answering(answer))
    assert not isinstance(found, NotConnected | TooLarge)
    assert re.search(message, error_of(found))


CHUNK = CHUNKED + b"5\r\nhello\r\n"
FLOODS = {
    "informational": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "status line": (b"HTTP/1.1 200 ", b"a" * 1000),
    "header lines": (b"HTTP/1.1 200 OK\r\n", b"X-Filler: y\r\n" * 100),
    "header line": (b"HTTP/1.1 200 OK\r\nX-Filler: ", b"y" * 1000),
    "no line": (b"", b"a" * 1000),
    "empty lines": (b"", b"\r\n" * 500),
    "chunk extension": (CHUNKED + b"5;", b"a" * 1000),
    "chunk size": (CHUNKED, b"0" * 1000),
    "trailers": (CHUNK + b"0\r\n", b"X-Filler: y\r\n" * 100),
    "trailer": (CHUNK + b"0\r\nX-Filler: ", b"y" * 1000),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 1000),
    "body of an error": (b"HTTP/1.1 404 Not Found\r\n\r\n", b"a" * 1000),
    "body of a redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"3e8\r\n" + b"a" * 1000 + b"\r\n",
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_nothing_goes_on_for_ever(flood: str) -> None:
    head, piece = FLOODS[flood]

    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    began = time.monotonic()
    limits = Limits(1, 0.1, 1_000_000)
    while isinstance(answer := served(talk, limits), NotConnected):
        began = time.monotonic()  # a busy machine needs longer than 0.1 s to connect
    assert error_of(answer)
    assert time.monotonic() - began < 60  # the limit is a second


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5.0",
        b"HTTP/1.1 200 OK\r\nContent-Length:",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xff",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 5",
        b"HTTP/1.1 000 OK\r\nContent-Length: 5",
        b"HTTP/1.1 99 OK\r\nContent-Length: 5",
        b"HTTP/1.1  OK\r\nContent-Length: 5",
        b"HTTP/2 200 OK\r\nContent-Length: 5",
        b"ICY 200 OK\r\nContent-Length: 5",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\rContent-Length: 5\r",
    ],
)
def test_a_head_that_contradicts_itself_or_is_no_http_is_an_error(head: bytes) -> None:
    answer = served(answering(head + b"\r\n\r\nhello"))
    assert error_of(answer) and not isinstance(answer, NotConnected | TooLarge)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 200\r\nContent-Length: 5",
        b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5",
        b"HTTP/1.1 200 OK\r\nX\xff: \xff\r\nContent-Length: 5",
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_head_in_an_odd_but_clear_form_is_taken(head: bytes, compressed: bool) -> None:
    talk = answering(head + b"\r\n\r\nhello")
    assert served(talk, compressed=compressed) == Response(200, b"hello")


def test_an_empty_file_in_chunks_is_an_empty_file() -> None:
    talk = answering(CHUNKED + b"0\r\n\r\n")
    assert served(talk, compressed=True) == Response(200, b"")
    cut_off = answering(b"HTTP/1.1 200 OK\r\nTransfer-Enc")
    assert "without a body" in error_of(served(cut_off, compressed=True))


@pytest.mark.parametrize("size", [1_000_000, 3_000_000])
def test_memory_is_bounded_however_many_large_bodies_come_at_once(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Bodies above the limit end there; the others come whole, a few at a time."""
    monkeypatch.setattr(handles, "SMALL_BODY", 100_000)
    monkeypatch.setattr(transfers_module, "LARGE_AT_ONCE", 2)
    limits = Limits(20, 20, 2_000_000)
    body = bytes(size)

    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.sendall(body)

    found: list[int | None] = []
    with RawServer(talk) as server, Transfers[str](limits) as transfers:
        tracemalloc.start()
        while transfers.free:
            transfers.start(server.url, "")
        while len(found) < 20:
            for _, answer in transfers.advance():
                found.append(len(answer.body) if isinstance(answer, Response) else None)
                assert isinstance(answer, Response | TooLarge)
            transfers.wait(0.01)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found == [size if size <= limits.largest else None] * 20
    assert peak < 20 * 200_000 + 2 * 2 * limits.largest


def test_a_body_of_many_reads_comes_whole_and_in_linear_time() -> None:
    """Joined quadratically, 60 MB in pieces of 8 kB took 71 s."""
    body = bytes(range(256)) * 200_000
    limits = Limits(1, 10, 100_000_000)
    pieces = [body[start : start + 8192] for start in range(0, len(body), 8192)]
    began = time.monotonic()
    answer = served(answering(SIZED % len(body), *pieces), limits)
    assert isinstance(answer, Response) and answer.body == body
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("length", [1001, 10**18, 10**30])
def test_a_length_beyond_the_limit_ends_the_transfer_at_once(length: int) -> None:
    limits = Limits(1, 5, 1000)
    began = time.monotonic()
    answer = served(answering(SIZED % length, b"hello", hold=4), limits)
    assert isinstance(answer, TooLarge)
    assert str(answer) == "the answer is larger than 1,000 bytes"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED])
def test_a_body_without_end_ends_at_the_limit(head: bytes) -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(head)
        piece = b"a" * 1000
        while True:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if head is CHUNKED else piece)

    assert isinstance(served(talk, Limits(1, 5, 100_000)), TooLarge)


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    answer = served(answering(SIZED % 1000, b"a" * 1000), Limits(1, 5, 1000))
    assert answer == Response(200, b"a" * 1000)


def test_a_body_that_ends_with_the_connection_is_taken() -> None:
    assert served(answering(b"HTTP/1.1 200 OK\r\n\r\nbody")) == Response(200, b"body")


def trickle(pause: float, body: bytes = b"a" * 1000) -> Talk:
    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(SIZED % len(body))
        for place in range(len(body)):
            connection.sendall(body[place : place + 1])
            time.sleep(pause)

    return talk


def test_a_body_that_trickles_ends_at_the_deadline() -> None:
    """A hundred bytes a second are not silence; ten time-outs are the end all the same. Where other
    programs have the cores for a second, the server is silent too.
    """
    began = time.monotonic()
    answer = served(trickle(0.01, b"a" * 10_000), Limits(1, 0.2, 10_000))
    assert error_of(answer) in ("the answer took longer than 2 s", "nothing came for 1 s")
    assert time.monotonic() - began < 60  # the whole body takes 100


def test_a_body_of_a_byte_a_second_ends_long_before_the_deadline() -> None:
    began = time.monotonic()
    assert error_of(served(trickle(0.5), Limits(1, 1, 10_000))) == "nothing came for 1 s"
    assert time.monotonic() - began < 9  # the deadline is at 10


def test_a_server_that_says_nothing_ends_the_transfer() -> None:
    answer = served(answering(hold=5), Limits(1, 1, 10_000))
    assert not isinstance(answer, NotConnected)
    assert error_of(answer) == "nothing came for 1 s"


def test_a_connection_that_was_closed_while_idle_is_replaced_by_another() -> None:
    for close in (socket.socket.close, reset):

        def talk(server: RawServer, connection: socket.socket, close: object = close) -> None:
            server.request(connection)
            connection.sendall(HELLO)
            time.sleep(0.02)
            close(connection)  # type: ignore[operator]

        with RawServer(talk) as server, Transfers[str](LIMITS) as transfers:
            for _ in range(3):
                transfers.start(server.url, "")
                assert end(transfers)[1] == Response(200, b"hello")
                time.sleep(0.05)
            assert server.connections == 3


def test_connections_that_close_without_an_answer_to_a_second_question_are_replaced() -> None:
    """More of them than libcurl tries by itself."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        while server.connections < 8:
            time.sleep(0.001)
        connection.sendall(HELLO)
        server.request(connection)

    with RawServer(talk) as server, Transfers[str](Limits(8, 5, 1000)) as transfers:
        while transfers.free:
            transfers.start(server.url, "")
        found: list[Answer] = []
        while len(found) < 8:
            found += [answer for _, answer in transfers.advance()]
            transfers.wait(0.01)
        for _ in range(3):
            transfers.start(server.url, "")
            found.append(end(transfers)[1])
    assert found == [Response(200, b"hello")] * 11


def test_a_new_connection_that_closes_without_an_answer_is_not_asked_again() -> None:
    with RawServer(answering()) as server, Transfers[str](LIMITS) as transfers:
        transfers.start(server.url, "")
        assert "without an answer" in error_of(end(transfers)[1])
        assert len(server.asked) == 1


def test_an_answer_that_says_close_is_not_asked_again_on_its_connection() -> None:
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with RawServer(answering(closing, hold=1)) as server, Transfers[str](LIMITS) as transfers:
        for _ in range(3):
            transfers.start(server.url, "")
            assert end(transfers)[1] == Response(200, b"hello")
        assert server.connections == 3


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_says_so() -> None:
    answer = get(f"http://127.0.0.1:{unused_port()}/")
    assert isinstance(answer, NotConnected)
    assert "127.0.0.1" in str(answer) and "refused" in str(answer)


def test_what_is_said_of_a_failure_is_the_same_in_each_run() -> None:
    """No milliseconds: it ends in data/raw."""
    url = f"http://127.0.0.1:{unused_port()}/"
    assert " ms" not in error_of(get(url))


def test_an_unknown_host_is_named() -> None:
    answer = get("http://store.invalid/")
    assert isinstance(answer, NotConnected) and "store.invalid" in str(answer)


def test_an_address_that_nobody_answers_is_no_connection() -> None:
    """A full queue of connections takes no more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        answer = get(f"http://127.0.0.1:{port}/", Limits(1, 0.5, 1000))
        assert isinstance(answer, NotConnected) and str(answer) == "no connection within 0.5 s"
        for each in waiting:
            each.close()


def redirecting(status: int, *locations: bytes) -> Talk:
    """Answers request number n with the n-th location, and the rest with HELLO."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        while server.request(connection):
            number = len(server.asked) - 1
            if number < len(locations):
                head = b"HTTP/1.1 %d Elsewhere\r\nLocation: %b\r\nContent-Length: 5\r\n\r\nmoved"
                connection.sendall(head % (status, locations[number]))
            else:
                connection.sendall(HELLO)

    return talk


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    with RawServer(redirecting(status, b"/elsewhere")) as server:
        assert get(server.url) == Response(200, b"hello")
        assert server.asked[1] == b"GET /elsewhere HTTP/1.1"


def test_a_redirect_to_another_host_is_followed() -> None:
    with (
        RawServer(answering(HELLO)) as other,
        RawServer(redirecting(302, other.url.replace("127.0.0.1", "localhost").encode())) as server,
    ):
        assert get(server.url) == Response(200, b"hello", elsewhere=True)


@pytest.mark.parametrize(("count", "ends_well"), [(MOST_REDIRECTS, True), (6, False)])
def test_redirects_have_an_end(count: int, ends_well: bool) -> None:
    answer = served(redirecting(302, *[b"/%d" % number for number in range(count)]))
    if ends_well:
        assert answer == Response(200, b"hello")
    else:
        assert "redirects" in error_of(answer) and isinstance(answer, EndlessRedirects)


@pytest.mark.parametrize("location", [b"file:///etc/passwd", b"ftp://127.0.0.1/", b"http://[::1/"])
def test_a_redirect_to_what_is_not_http_is_not_followed(location: bytes) -> None:
    error_of(served(redirecting(302, location)))


@pytest.mark.parametrize("answer", [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"])
def test_a_redirect_to_nowhere_is_an_answer_of_its_own(answer: bytes) -> None:
    assert served(answering(answer)) == Response(302, b"")


@pytest.mark.parametrize(
    "location",
    [
        *(b"?q", b"#part", b"x y", b"/\xc3\xa7", b"/\xe7\xff", b"/%zz", b"../../..", b"/\x01"),
        *(b"g\xffpher://x/", b"/" + b"a" * 50_000),
    ],
)
def test_a_redirect_in_an_odd_form_stays_at_its_host(location: bytes) -> None:
    assert served(redirecting(302, location)) == Response(200, b"hello")


@pytest.mark.parametrize(
    "location",
    [
        *(b"http:x", b"javascript:alert(1)", b"data:text/plain,hi", b"gopher://x/"),
        *(b"http://127.0.0.1:99999/", b"http://127.0.0.1:0/", b"//127.0.0.1:1/"),
        *(b"http://a\xff b/", b"http://[\xff]/", b"http://\xe7.invalid/", b"http:///"),
    ],
)
def test_a_redirect_to_nowhere_is_an_error_that_can_be_written(location: bytes) -> None:
    answer = served(redirecting(302, location))
    assert error_of(answer).encode() and not isinstance(answer, NotConnected)  # the host answered


@pytest.mark.parametrize("status", [404, 410, 403, 500])
def test_an_answer_from_another_host_says_so(status: int) -> None:
    there = b"HTTP/1.1 %d Gone\r\nContent-Length: 0\r\n\r\n" % status
    with RawServer(answering(there)) as other:
        for host in ("localhost", "127.0.0.1"):
            location = other.url.replace("127.0.0.1", host).encode()
            answer = served(redirecting(302, location))
            assert answer == Response(status, b"", elsewhere=host == "localhost")


def test_a_host_that_is_not_unicode_is_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(redirecting(302, b"http://\xe7.invalid/")) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert get("http://store.invalid/") == Response(200, b"hello", elsewhere=True)


def test_a_password_does_not_follow_a_redirect_to_another_host() -> None:
    heads: list[bytes] = []

    def talk(server: RawServer, connection: socket.socket) -> None:
        heads.append(connection.recv(4096))
        connection.sendall(HELLO)

    with (
        RawServer(talk) as other,
        RawServer(redirecting(302, other.url.encode())) as server,
    ):
        url = server.url.replace("http://", "http://ayse:secret@")
        assert get(url) == Response(200, b"hello")
    assert b"authorization" not in heads[0].lower()


CONTENT = b"def f():\n    return 1\n" * 50


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(CONTENT, mtime=0)),
        (b"x-gzip", gzip.compress(CONTENT[:30], mtime=0) + gzip.compress(CONTENT[30:], mtime=0)),
        (b"GZIP", gzip.compress(CONTENT, mtime=0) + bytes(8)),
        (b"identity", CONTENT),
    ],
)
def test_a_compressed_answer_is_undone_where_it_was_asked_for(encoding: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    talk = answering(head % (encoding, len(body)), body)
    assert served(talk, compressed=True) == Response(200, CONTENT)
    assert served(talk) == Response(200, body)


def test_an_encoding_that_was_not_asked_for_or_damage_in_it_is_an_error() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: 5\r\n\r\nhello"
    assert "not asked for" in error_of(served(answering(head % b"br"), compressed=True))
    assert "damaged gzip" in error_of(served(answering(head % b"gzip"), compressed=True))


@pytest.mark.parametrize("encoding", [b"", b"none", b"UTF-8", b"identity", b"\xff", b"identity,"])
def test_what_is_no_name_of_an_encoding_is_ignored(encoding: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: 5\r\n\r\nhello"
    assert served(answering(head % encoding), compressed=True) == Response(200, b"hello")


def test_an_answer_may_be_compressed_twice() -> None:
    body = gzip.compress(gzip.compress(CONTENT))
    for names in (b"gzip, gzip", b"gzip\r\nContent-Encoding: gzip"):
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        talk = answering(head % (names, len(body)), body)
        assert served(talk, compressed=True) == Response(200, CONTENT)


def test_only_a_body_that_is_wanted_is_decompressed() -> None:
    head = b"HTTP/1.1 %b\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    assert served(answering(head % (b"200 OK", 0)), compressed=True) == Response(200, b"")
    missing = answering(head % (b"404 Not Found", 5), b"hello")
    assert served(missing, compressed=True) == Response(404, b"hello")


def test_a_second_member_that_is_cut_off_is_an_error_and_garbage_is_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would show that the content is not complete."""
    monkeypatch.setattr(gzip_members, "garbage_logged", False)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    first, second = gzip.compress(CONTENT), gzip.compress(CONTENT)[:-9]
    answer = served(answering(head % len(first + second), first + second), compressed=True)
    assert error_of(answer) == "damaged gzip: cut off"
    padded = first + bytes(7)
    for _ in range(2):
        talk = answering(head % len(padded), padded)
        assert served(talk, compressed=True) == Response(200, CONTENT)
    [record] = caplog.records
    assert ": 7 bytes after the gzip members are ignored" in record.getMessage()


def test_a_compressed_answer_stops_at_the_limit() -> None:
    body = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = served(answering(head, body), compressed=True)
    assert isinstance(answer, TooLarge)


def get_over_tls(
    served: Path, trusted: Path, monkeypatch: pytest.MonkeyPatch, host: str = "localhost"
) -> Answer:
    """The answer over TLS with one certificate, to a client that trusts another."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with RawServer(answering(HELLO), server_context(served)) as server:
        return get(f"https://{host}:{server.port}/content/")


def test_tls_with_a_trusted_certificate_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localhost` is ::1 as well, where nobody listens."""
    trusted = make_certificate(tmp_path, "localhost")
    assert get_over_tls(trusted, trusted, monkeypatch) == Response(200, b"hello")


def test_tls_with_an_unknown_certificate_or_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = make_certificate(tmp_path, "localhost")
    other = make_certificate(tmp_path, "example.org")
    refused = get_over_tls(local, other, monkeypatch)
    assert isinstance(refused, NotConnected) and "self-signed certificate" in str(refused)
    refused = get_over_tls(other, other, monkeypatch)
    assert isinstance(refused, NotConnected) and "hostname 'localhost'" in str(refused)


def test_tls_does_not_go_back_to_plain_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        RawServer(answering(HELLO)) as plain,
        RawServer(redirecting(302, plain.url.encode()), server_context(certificate)) as server,
    ):
        error_of(get(f"https://localhost:{server.port}/"))
        assert plain.connections == 0


def test_plain_http_goes_on_to_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with RawServer(answering(HELLO), server_context(certificate)) as secure:
        location = f"https://localhost:{secure.port}/".encode()
        assert served(redirecting(302, location)) == Response(200, b"hello", elsewhere=True)


def test_connections_share_their_tls_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    resumed: list[bool | None] = []

    def talk(server: RawServer, connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        server.request(connection)
        resumed.append(connection.session_reused)
        connection.sendall(HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with (
        RawServer(talk, server_context(certificate)) as server,
        Transfers[str](LIMITS) as transfers,
    ):
        for _ in range(3):
            transfers.start(f"https://localhost:{server.port}/", "")
            assert end(transfers)[1] == Response(200, b"hello")
    assert resumed == [False, True, True]


def test_as_many_transfers_as_there_are_connections_and_no_more() -> None:
    with RawServer(answering(HELLO, hold=0.1)) as server, Transfers[str](LIMITS) as transfers:
        for number in itertools.count():
            if not transfers.free:
                break
            transfers.start(server.url, str(number))
        found: dict[str, Answer] = {}
        while len(found) < 4:
            found.update(transfers.advance())
            transfers.wait(0.01)
        assert number == 4
        assert found == dict.fromkeys("0123", Response(200, b"hello"))


def test_the_users_certificates_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
    with pytest.raises(UserError, match=r"SSL_CERT_FILE .*'/nowhere/bundle\.pem' is not a file"):
        get("https://127.0.0.1:1/content/")
