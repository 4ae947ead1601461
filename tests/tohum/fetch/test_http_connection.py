import contextlib
import itertools
import select
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.raw_server import (
    HELLO,
    RawServer,
    answering,
    make_certificate,
    reset,
    server_context,
)
from tohum.errors import UserError
from tohum.fetch.http_connection import (
    Connection,
    ConnectionLost,
    Endpoint,
    Head,
    NotConnected,
    Response,
    TransportError,
    join_chunks,
    parse_head,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def ready(connection: Connection, seconds: float) -> bool:
    """Waits until the socket is as the connection wants it."""
    reading = [connection.socket] if connection.waits_for & EVENT_READ else []
    writing = [connection.socket] if connection.waits_for & EVENT_WRITE else []
    return any(select.select(reading, writing, [], seconds))


def receive(connection: Connection) -> Response:
    while ready(connection, 5):
        if (answer := connection.advance()) is not None:
            return answer
    raise AssertionError("nothing comes")


def get(url: str, name: str = "a", context: ssl.SSLContext | None = None) -> Response:
    connection = Connection(Endpoint(url), context)
    try:
        connection.ask(name)
        return receive(connection)
    finally:
        connection.close()


@contextlib.contextmanager
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection that has sent a request, and the other end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}/"), None)
        server, _ = listener.accept()
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.ask("a")
        assert ready(connection, 5) and connection.advance() is None
        try:
            yield connection, server
        finally:
            server.close()
            connection.close()


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Response]:
    """The bytes of an answer, framed and spelled in one of the ways that HTTP allows."""
    status = draw(st.sampled_from([200, 404, 503]))
    closes = draw(st.booleans())
    space = draw(st.sampled_from([b"", b" ", b" \t"]))
    head = [b"HTTP/1.1 %d Some Reason" % status, b"Server: AmazonS3"]
    chunks = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    body = b"".join(chunks)
    if draw(st.booleans()):
        head.append(b"Transfer-Encoding:" + space + b"chunked")
        extension = draw(st.sampled_from([b"", b";name=value", b" ;x"]))
        trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
        sized = [b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks]
        sent = b"".join(sized) + b"0" + extension + b"\r\n" + trailers + b"\r\n"
    else:
        head.append(b"Content-Length:" + space + b"%d" % len(body))
        sent = body
    if closes:
        head.append(b"Connection:" + space + b"Close")
    lines = draw(st.sampled_from([head, [head[0], *(line.lower() for line in head[1:])]]))
    return b"\r\n".join(lines) + b"\r\n\r\n" + sent, Response(status, body, closes)


@settings(deadline=None, max_examples=150)
@given(st.lists(answers(), min_size=1, max_size=3), st.integers(1, 60))
def test_an_answer_is_the_same_wherever_the_network_cuts_it(
    found: list[tuple[bytes, Response]], size: int
) -> None:
    with pair() as (connection, server):
        for number, (sent, expected) in enumerate(found):
            if number:
                connection.ask("a")
            pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
            for piece in pieces[:-1]:
                server.sendall(piece)
                assert ready(connection, 5) and connection.advance() is None
            server.sendall(pieces[-1])
            assert receive(connection) == expected
        assert connection.answers == len(found)


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=5), st.sampled_from([b"", b"A: b\r\n"])
)
def test_chunks_are_joined_when_the_last_byte_is_there_and_not_before(
    chunks: list[bytes], trailers: bytes
) -> None:
    sized = [b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    data = b"".join(sized) + b"0\r\n" + trailers + b"\r\n"
    assert join_chunks(data) == b"".join(chunks)
    assert {join_chunks(data[:end]) for end in range(len(data))} == {None}


@given(st.binary(max_size=60))
@example(b"-6\r\n")
@example(b"+5\r\nhello\r\n0\r\n\r\n")
@example(b"0x5\r\nhello\r\n0\r\n\r\n")
@example(b"1_0\r\nhello\r\n0\r\n\r\n")
def test_what_is_not_chunked_ends_at_once(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(join_chunks(data) or b"") <= len(data)


@pytest.mark.parametrize("size", [b"-6", b"+5", b"0x5", b"1_0", b"", b"many"])
def test_a_size_that_is_no_hexadecimal_number_is_an_error(size: bytes) -> None:
    with pytest.raises(ValueError, match="not the size of a chunk"):
        join_chunks(size + b"\r\nhello\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"", Head(200, None, False, False)),
        (b"\r\ncontent-length: 12", Head(200, 12, False, False)),
        (b"\r\nContent-Length:12\r\nServer: a", Head(200, 12, False, False)),
        (b"\r\nX-Content-Length: 12", Head(200, None, False, False)),
        (b"\r\nContent-Length: many", Head(200, None, False, False)),
        (b"\r\nTRANSFER-ENCODING:chunked", Head(200, None, True, False)),
        (b"\r\nConnection: Close\r\nContent-Length: 0", Head(200, 0, False, True)),
        (b"\r\nConnection: keep-alive\r\nContent-Length: 0", Head(200, 0, False, False)),
    ],
)
def test_a_head_says_status_framing_and_close(fields: bytes, expected: Head) -> None:
    assert parse_head(b"HTTP/1.1 200 OK" + fields) == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not an HTTP answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "in the middle of an answer"),
        (b"HTTP/1.1 soon\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 -20 OK\r\n\r\n", "not an HTTP answer"),
        (b"x" * 70_000, "no end"),
        (b"HTTP/1.1 200 OK\r\n\r\nbody", "neither its length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "neither its length"),
        (CHUNKED + b"many\r\n", "many"),
        (HELLO[:-1], "in the middle of an answer"),
        (CHUNKED + b"5\r\nhello\r\n", "in the middle of an answer"),
    ],
)
def test_what_is_not_a_whole_answer_is_an_error(answer: bytes, message: str) -> None:
    with RawServer(answering(answer)) as server, pytest.raises(TransportError, match=message):
        get(server.url)


def test_a_body_of_many_reads_comes_whole() -> None:
    body = bytes(range(256)) * 20_000
    with RawServer(
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)
    ) as server:
        assert get(server.url).body == body


def test_a_connection_closed_before_an_answer_is_told_from_one_closed_within() -> None:
    with pair() as (connection, server):
        server.close()
        with pytest.raises(ConnectionLost, match="without an answer"):
            receive(connection)
    with pair() as (connection, server):
        server.sendall(HELLO[:20])
        server.close()
        with pytest.raises(TransportError, match="in the middle") as caught:
            receive(connection)
        assert not isinstance(caught.value, ConnectionLost)


def test_a_connection_that_was_reset_while_idle_counts_as_closed() -> None:
    """The send itself fails then."""
    with pair() as (connection, server):
        server.recv(4096)
        server.sendall(HELLO)
        assert receive(connection).body == b"hello"
        reset(server)
        time.sleep(0.05)
        with pytest.raises(ConnectionLost):
            connection.ask("b")


def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotConnected, match=r"no connection to 127\.0\.0\.1: .*refused"):
        get(f"http://127.0.0.1:{port}/")


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(NotConnected, match=r"store\.invalid is not known"):
        get("http://store.invalid/")


@pytest.mark.parametrize(
    ("path", "name", "asked"),
    [
        ("", "a", b"GET /a HTTP/1.1"),
        ("/", "a", b"GET /a HTTP/1.1"),
        ("/x", "a", b"GET /x/a HTTP/1.1"),
        ("/x/y/", "a", b"GET /x/y/a HTTP/1.1"),
        ("/", "ş b\r\n", b"GET /%C5%9F%20b%0D%0A HTTP/1.1"),
    ],
)
def test_a_name_is_asked_for_below_the_path(path: str, name: str, asked: bytes) -> None:
    with RawServer(answering(HELLO)) as server:
        get(f"http://127.0.0.1:{server.port}{path}", name)
        assert server.asked == [asked]


@pytest.mark.parametrize("url", ["", "softwareheritage", "s3://bucket/", "ftp://host/"])
def test_an_address_that_is_no_url_is_named(url: str) -> None:
    with pytest.raises(UserError, match="is not an address"):
        Endpoint(url)


def get_over_tls(served: Path, trusted: Path) -> bytes:
    """The body of an answer over TLS with one certificate, to a client that trusts another.

    "localhost" may be ::1 as well, where nobody listens: that is tried again.
    """
    client = ssl.create_default_context(cafile=trusted)
    with RawServer(answering(HELLO), server_context(served)) as server:
        for tries in itertools.count():
            try:
                return get(f"https://localhost:{server.port}/content/", context=client).body
            except NotConnected:
                assert tries < 50
    raise AssertionError


def test_tls_with_a_trusted_certificate_works(tmp_path: Path) -> None:
    trusted = make_certificate(tmp_path, "localhost")
    assert get_over_tls(trusted, trusted) == b"hello"


def test_tls_with_an_unknown_certificate_or_another_host_is_refused(tmp_path: Path) -> None:
    local, other = (
        make_certificate(tmp_path, "localhost"),
        make_certificate(tmp_path, "example.org"),
    )
    with pytest.raises(TransportError, match="certificate verify failed"):
        get_over_tls(local, other)
    with pytest.raises(TransportError, match="Hostname mismatch"):
        get_over_tls(other, other)
