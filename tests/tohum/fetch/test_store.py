import base64
import gzip
import logging
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.blobs import Blob, sample_blobs
from tests.fakes.content_store import gzip_member
from tests.fakes.raw_server import HELLO, RawServer
from tests.tohum.fetch.looping import FOUND, LARGEST, LOST, result
from tohum.config.runtime import Runtime, load_runtime
from tohum.errors import UserError
from tohum.fetch import gzip_members
from tohum.fetch.answers import TooLarge
from tohum.fetch.http_fetcher import HttpFetcher
from tohum.fetch.pool import Segment, Tasks
from tohum.fetch.store import check_blob, store_fetcher, url_fetcher

BLOB = sample_blobs(1)[0]
RUNTIME = load_runtime(Path(__file__).parents[3] / "conf" / "runtime.yaml")


def runtime(url: str, **values: Any) -> Runtime:
    changed = replace(RUNTIME, content_url=url, connections=3, timeout_seconds=1)
    return replace(changed, **values)


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    gzip_members.garbage_logged = False
    yield
    gzip_members.garbage_logged = False


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"a" * 3_000_000])
def test_any_content_passes_in_both_forms(content: bytes) -> None:
    blob_id = Blob(content).blob_id
    assert check_blob(blob_id, gzip_member(content), LARGEST) == content
    assert check_blob(blob_id, content, LARGEST) == content


def test_a_blob_that_is_itself_a_gzip_file_comes_as_it_is() -> None:
    archive = Blob(gzip.compress(b"inner", mtime=0))
    assert check_blob(archive.blob_id, gzip_member(archive.content), LARGEST) == archive.content
    assert check_blob(archive.blob_id, archive.content, LARGEST) == archive.content


def test_a_changed_byte_anywhere_is_noticed() -> None:
    body = gzip_member(BLOB.content)
    for place in range(len(body)):
        damaged = bytearray(body)
        damaged[place] ^= 0x10
        try:
            assert check_blob(BLOB.blob_id, bytes(damaged), LARGEST) == BLOB.content
        except ValueError:
            continue
        assert place in range(4, 10)  # time, flags and system of the gzip header mean nothing here


def test_members_are_joined_and_garbage_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    half = len(BLOB.content) // 2
    body = gzip_member(BLOB.content[:half]) + gzip_member(BLOB.content[half:])
    assert check_blob(BLOB.blob_id, body, LARGEST) == BLOB.content
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert check_blob(BLOB.blob_id, body + b"garbage", LARGEST) == BLOB.content
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{BLOB.blob_id}: 7 bytes after the gzip members")


def test_a_server_may_compress_a_stored_blob_once_more() -> None:
    assert check_blob(BLOB.blob_id, gzip_member(gzip_member(BLOB.content)), LARGEST) == BLOB.content


def test_a_bomb_is_too_large_to_be_checked() -> None:
    bomb = gzip_member(bytes(LARGEST + 1))
    with pytest.raises(TooLarge):
        check_blob(BLOB.blob_id, bomb, LARGEST)
    assert check_blob(Blob(bomb).blob_id, bomb, LARGEST) == bomb


@pytest.mark.parametrize("url", ["s3://softwareheritage/content/", "http://host:99999/"])
def test_an_address_that_is_not_a_url_is_an_error(url: str) -> None:
    with pytest.raises(UserError, match="is not an address"):
        store_fetcher(runtime(url), result)


def fetch_rows(fetcher: Any, rows: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    tasks: Tasks = queue.SimpleQueue()
    found: dict[int, tuple[int, bytes]] = {}
    for place, row in enumerate(rows):
        tasks.put((Segment(0, {}), place, row))

    def done(task: Any, kind: int, payload: bytes) -> None:
        found[task[1]] = (kind, payload)
        if len(found) == len(rows):
            tasks.put(None)

    fetcher.run(tasks, done)
    return [found[place] for place in range(len(rows))]


def test_the_id_is_asked_for_with_the_query_and_the_password_of_the_address() -> None:
    asked: list[bytes] = []

    def talk(server: RawServer, connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        body = gzip_member(BLOB.content)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with RawServer(talk) as server:
        url = f"http://ayse:ge%40heim@127.0.0.1:{server.port}/content/?sig=abc"
        fetcher = store_fetcher(runtime(url), result)
        assert fetch_rows(fetcher, [{"id": BLOB.blob_id}]) == [(FOUND, BLOB.content)]
    lines = asked[0].split(b"\r\n")
    assert lines[0] == f"GET /content/{BLOB.blob_id}?sig=abc HTTP/1.1".encode()
    assert f"Host: 127.0.0.1:{server.port}".encode() in lines
    assert b"Authorization: Basic " + base64.b64encode(b"ayse:ge@heim") in lines
    assert not any(line.lower().startswith(b"accept-encoding") for line in lines)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_is_sent_in_brackets() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with RawServer(lambda server, connection: None) as server:
        server._listener.close()
        server._listener = listener
        port = listener.getsockname()[1]
        heads: list[bytes] = []

        def talk(server: RawServer, connection: socket.socket) -> None:
            heads.append(connection.recv(4096))
            connection.sendall(HELLO)

        server._talk = talk
        threading.Thread(target=server._run, daemon=True).start()
        row = {"url": f"http://[::1]:{port}/a"}
        fetcher = url_fetcher(runtime("http://x/"), lambda row, body: body, result)
        assert fetch_rows(fetcher, [row]) == [(FOUND, b"hello")]
    assert f"Host: [::1]:{port}".encode() in heads[0].split(b"\r\n")


def test_the_limits_are_those_of_the_configuration() -> None:
    found = runtime("http://host/", largest_blob_bytes=7, patience_seconds=9)
    fetcher = store_fetcher(found, result)
    assert isinstance(fetcher, HttpFetcher)
    assert (fetcher.limits.connections, fetcher.limits.timeout, fetcher.limits.largest) == (3, 1, 7)
    assert fetcher.policy.patience == 9


def test_a_blob_above_the_limit_is_unreachable_and_stops_nobody() -> None:
    """What is said of it names the limit; a later run with another one asks again."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        while line := server.request(connection):
            body = BLOB.content if BLOB.blob_id.encode() in line else b"a" * 10_000
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            connection.sendall(body)

    small = Blob(b"a" * 10_000)
    with RawServer(talk) as server:
        fetcher = store_fetcher(runtime(server.url, largest_blob_bytes=5000), result)
        rows = [{"id": small.blob_id}] + [{"id": BLOB.blob_id}] * 5
        fetcher.policy = replace(fetcher.policy, first_wait=0.05)
        found = fetch_rows(fetcher, rows)
    assert found[1:] == [(FOUND, BLOB.content)] * 5
    assert found[0] == (LOST, b"unreachable: the answer is larger than 5,000 bytes (2 times)")
