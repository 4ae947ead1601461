import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.fakes.raw_server import (
    HELLO,
    RawServer,
    answering,
    make_certificate,
    reset,
    server_context,
)
from tests.tohum.fetch.looping import (
    FOUND,
    LOST,
    QUICK,
    Results,
    quick_judge,
    result,
    run,
    store_loop,
)
from tohum.errors import UserError
from tohum.fetch import store_loop as store_loop_module
from tohum.fetch.pool import Segment, Tasks
from tohum.fetch.retries import Lost, RetryPolicy
from tohum.fetch.store import EMPTY_SHA1

BLOBS = list({blob.blob_id: blob for blob in sample_blobs(300)}.values())
BLOB = BLOBS[0]
NAMES = [blob.blob_id for blob in BLOBS]
EVERYTHING = {blob.blob_id: (FOUND, blob.content) for blob in BLOBS}
HEALING = [fault for fault in Fault if fault is not Fault.NO_SUCH_KEY]


@pytest.fixture(autouse=True)
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_loop_module, "WATCH_SECONDS", 0.02)


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_each_name_is_asked_for_once_over_connections_that_stay_open(
    store: FakeContentStore, connections: int
) -> None:
    store.set_latency(0.02)
    assert run(store_loop(store.content_url, connections), NAMES) == EVERYTHING
    assert set(store.fetches.values()) == {1}
    assert connections / 2 < store.max_concurrent <= store.connections <= connections


def test_an_error_in_chunks_leaves_the_connection_usable(store: FakeContentStore) -> None:
    missing = Blob(b"not there").blob_id
    found = run(store_loop(store.content_url, 1), [NAMES[0], missing, NAMES[1]])
    assert found[missing] == (LOST, b"missing: HTTP 404")
    assert store.fetches[missing] == 1
    assert store.connections == 1


def test_a_server_that_closes_after_each_answer_costs_no_try(store: FakeContentStore) -> None:
    store.set_keep_alive(False)
    judge = quick_judge(replace(QUICK, transient_tries=1))
    assert run(store_loop(store.content_url, 16, judge=judge), NAMES) == EVERYTHING
    assert set(store.fetches.values()) == {1}


@pytest.mark.parametrize("end", [socket.socket.close, reset])
def test_a_connection_that_ends_while_idle_costs_no_try(
    end: Callable[[socket.socket], None],
) -> None:
    """The loop is at work on a result meanwhile, and asks before it sees the end."""
    ended = threading.Event()

    def talk(server: RawServer, connection: socket.socket) -> None:
        server.request(connection)
        connection.sendall(HELLO)
        time.sleep(0.02)
        end(connection)
        ended.set()

    tasks: Tasks = queue.SimpleQueue()
    segment = Segment(0, {})
    found: list[tuple[int, bytes]] = []

    def work(row: Any, content: bytes | Lost) -> tuple[int, bytes]:
        if row == "a":
            assert ended.wait(5)
            time.sleep(0.02)
            tasks.put((segment, 1, "b"))
        else:
            tasks.put(None)
        return result(row, content)

    tasks.put((segment, 0, "a"))
    judge = quick_judge(replace(QUICK, transient_tries=1))
    with RawServer(talk) as server:
        loop = store_loop(server.url, 1, judge=judge, verified=False, work=work)
        loop.run(tasks, lambda task, kind, payload: found.append((kind, payload)))
    assert found == [(FOUND, b"hello")] * 2
    assert server.connections == 2


def test_an_answer_that_says_close_is_not_asked_again_on_its_connection() -> None:
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with RawServer(answering(closing, hold=1)) as server:
        found = run(store_loop(server.url, 2, verified=False), list("abcdef"))
    assert found == dict.fromkeys("abcdef", (FOUND, b"hello"))
    assert server.connections == 6


@pytest.mark.parametrize("fault", HEALING)
@pytest.mark.parametrize("times", [1, 2])
def test_a_fault_that_heals_costs_tries_but_no_blob(
    store: FakeContentStore, fault: Fault, times: int
) -> None:
    store.fail(fault, times, BLOB.blob_id)
    found = run(store_loop(store.content_url), NAMES[:20])
    assert found == {name: EVERYTHING[name] for name in NAMES[:20]}
    expected = 1 if fault is Fault.UNCOMPRESSED else times + 1
    assert store.fetches[BLOB.blob_id] == expected


@pytest.mark.parametrize(
    ("fault", "outcome", "detail", "tries"),
    [
        (Fault.ACCESS_DENIED, "missing", "HTTP 403 (3 times)", 3),
        (Fault.SLOW_DOWN, "missing", "HTTP 503 (32 times)", 32),
        (Fault.INTERNAL_ERROR, "missing", "HTTP 500 (8 times)", 8),
        (Fault.DISCONNECTED, "missing", "without an answer (8 times)", 8),
        (Fault.TRUNCATED, "missing", "in the middle of an answer (8 times)", 8),
        (Fault.STALLED, "missing", "nothing came for 0.1 s (8 times)", 8),
        (Fault.OTHER_BYTES, "corrupt", "(3 times)", 3),
        (Fault.HALF_OBJECT, "corrupt", "damaged gzip", 3),
        (Fault.NOT_GZIP, "corrupt", "SHA-1", 3),
    ],
)
def test_a_fault_that_never_heals_loses_the_blob_and_says_why(
    store: FakeContentStore, fault: Fault, outcome: str, detail: str, tries: int
) -> None:
    """Even when it is the last blob that is wanted, and only the probe comes any more."""
    store.fail(fault, FOREVER, BLOB.blob_id)
    judge = quick_judge(replace(QUICK, first_wait=0.02, longest_wait=0.05))
    names = [*NAMES[1:10], BLOB.blob_id]
    found = run(store_loop(store.content_url, 2, 0.1, judge), names)
    kind, told = found.pop(BLOB.blob_id)
    assert kind == LOST
    assert told.decode().startswith(outcome) and detail in told.decode()
    assert found == {name: EVERYTHING[name] for name in names[:-1]}
    assert tries <= store.fetches[BLOB.blob_id] <= 2 * tries


def test_one_blob_that_always_stalls_is_given_up_though_each_try_takes_long(
    store: FakeContentStore,
) -> None:
    """No other blob comes meanwhile, and a try takes longer than anything else in the policy."""
    store.fail(Fault.STALLED, FOREVER, BLOB.blob_id)
    judge = quick_judge(RetryPolicy(first_wait=0.001, longest_wait=0.002, patience=1))
    found = run(store_loop(store.content_url, 4, 0.2, judge), [BLOB.blob_id])
    assert found == {BLOB.blob_id: (LOST, b"missing: nothing came for 0.2 s (8 times)")}
    assert store.fetches[EMPTY_SHA1] > 0


def test_a_body_that_trickles_ends_at_the_deadline() -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        if EMPTY_SHA1.encode() in server.request(connection):
            connection.sendall(HELLO)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"a")
            time.sleep(0.01)

    judge = quick_judge(replace(QUICK, transient_tries=2))
    began = time.monotonic()
    with RawServer(talk) as server:
        found = run(store_loop(server.url, 2, 0.05, judge), ["a"])
    assert found == {"a": (LOST, b"missing: the answer took longer than 0.5 s (2 times)")}
    assert time.monotonic() - began < 3


def test_an_answer_before_its_question_hides_no_stall() -> None:
    """It is there as soon as the connection is open; the next answer never comes."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        if server.connections == 1:
            connection.sendall(HELLO)
            time.sleep(5)
        answering(HELLO)(server, connection)

    began = time.monotonic()
    with RawServer(talk) as server:
        found = run(store_loop(server.url, 1, 0.3, verified=False), ["a", "b"])
    assert found == dict.fromkeys("ab", (FOUND, b"hello"))
    assert 0.3 < time.monotonic() - began < 1.5


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_does_not_speak_http_ends_the_run(answer: bytes) -> None:
    judge = quick_judge(replace(QUICK, patience=0.3))
    with RawServer(answering(answer)) as server, pytest.raises(UserError, match="given nothing"):
        run(store_loop(server.url, 4, judge=judge), NAMES[:8])


def refused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("url", "message"),
    [(refused_url(), "refused"), ("http://store.invalid/content/", "is not known")],
    ids=["refused", "unknown"],
)
def test_a_store_that_cannot_be_reached_ends_the_run_and_says_why(url: str, message: str) -> None:
    found: Results = {}
    judge = quick_judge(replace(QUICK, patience=0.3))
    with pytest.raises(UserError, match=message):
        run(store_loop(url, 16, judge=judge), NAMES, found)
    assert found == {}


@pytest.mark.parametrize(
    "fault", [Fault.SLOW_DOWN, Fault.ACCESS_DENIED, Fault.INTERNAL_ERROR, Fault.DISCONNECTED]
)
@pytest.mark.parametrize("before", [0, 50])
def test_a_store_that_fails_for_all_ends_the_run_and_loses_no_blob(
    store: FakeContentStore, fault: Fault, before: int
) -> None:
    """From the beginning, or once it has served for a while."""
    found: Results = {}

    def work(row: Any, content: bytes | Lost) -> tuple[int, bytes]:
        if len(found) + 1 == before:
            store.fail(fault, FOREVER)
        return result(row, content)

    if not before:
        store.fail(fault, FOREVER)
    judge = quick_judge(replace(QUICK, patience=0.6))
    began = time.monotonic()
    with pytest.raises(UserError, match="given nothing for"):
        run(store_loop(store.content_url, 24, judge=judge, work=work), NAMES, found)
    assert time.monotonic() - began < 10
    assert before <= len(found) < before + 30
    assert {kind for kind, _ in found.values()} <= {FOUND}


@pytest.mark.parametrize(
    "fault",
    [Fault.SLOW_DOWN, Fault.ACCESS_DENIED, Fault.INTERNAL_ERROR, Fault.DISCONNECTED, Fault.STALLED],
)
def test_a_store_that_comes_back_within_patience_has_lost_nothing(
    store: FakeContentStore, fault: Fault
) -> None:
    """Tries that began while it was away end after it is back, and do not count either."""
    found: Results = {}

    def work(row: Any, content: bytes | Lost) -> tuple[int, bytes]:
        if len(found) == 50:
            store.fail(fault, FOREVER)
            threading.Timer(1, store.heal).start()
        return result(row, content)

    loop = store_loop(store.content_url, 24, 0.15, quick_judge(replace(QUICK, patience=10)))
    loop.work = work
    assert run(loop, NAMES, found) == EVERYTHING
    assert store.fetches.total() > len(NAMES) + 24


def test_a_burst_of_slow_down_pauses_all_and_loses_nothing(store: FakeContentStore) -> None:
    judge = quick_judge(replace(QUICK, patience=30))
    store.set_latency(0.01)
    store.fail(Fault.SLOW_DOWN, 40)
    assert run(store_loop(store.content_url, 16, judge=judge), NAMES) == EVERYTHING
    assert 2 <= judge.throttle.pauses <= 27  # the first is for the refusals of all connections


def test_nobody_asks_while_a_pause_is_on(store: FakeContentStore) -> None:
    judge = quick_judge()
    judge.throttle._pause = 0.5
    judge.throttle.slow_down()
    began = time.monotonic()
    assert run(store_loop(store.content_url, judge=judge), NAMES) == EVERYTHING
    assert time.monotonic() - began > 0.45


def test_a_blob_that_is_taken_down_stops_nobody(store: FakeContentStore) -> None:
    """A 403 for single keys is a loss; a 403 for all of them is the store's."""
    for name in NAMES[:10]:
        store.fail(Fault.ACCESS_DENIED, FOREVER, name)
    found = run(store_loop(store.content_url), NAMES)
    assert {name for name, (kind, _) in found.items() if kind == LOST} == set(NAMES[:10])


@pytest.mark.parametrize("state", ["busy", "stalled", "paused", "waiting"])
def test_none_among_the_tasks_ends_the_run_at_once(store: FakeContentStore, state: str) -> None:
    """Whatever is still to do, and however the store behaves."""
    judge = quick_judge(RetryPolicy(first_wait=60, longest_wait=60))
    if state == "stalled":
        store.fail(Fault.STALLED, FOREVER)
    elif state == "waiting":
        store.fail(Fault.INTERNAL_ERROR, FOREVER)
    elif state == "paused":
        judge.throttle._pause = 60
        judge.throttle.slow_down()
    else:
        store.set_latency(0.05)
    tasks: Tasks = queue.SimpleQueue()
    for place, name in enumerate(NAMES):
        tasks.put((Segment(0, {}), place, name))
    loop = store_loop(store.content_url, 4, 60, judge)
    thread = threading.Thread(target=loop.run, args=(tasks, lambda *_: None), daemon=True)
    thread.start()
    time.sleep(0.15)
    tasks.put(None)
    thread.join(1)
    assert not thread.is_alive()


@pytest.mark.parametrize("trusted", [True, False])
def test_tls(tmp_path: Path, trusted: bool) -> None:
    """`localhost` may be ::1 as well, where nobody listens; no name is lost by that."""
    served = make_certificate(tmp_path, "localhost")
    other = make_certificate(tmp_path, "example.org")
    client = ssl.create_default_context(cafile=served if trusted else other)

    def talk(server: RawServer, connection: socket.socket) -> None:
        while server.request(connection):
            connection.sendall(HELLO)

    judge = quick_judge(replace(QUICK, patience=0.5, transient_tries=1))
    names = [f"{number}" for number in range(100)]
    with RawServer(talk, server_context(served)) as server:
        url = f"https://localhost:{server.port}/content/"
        loop = store_loop(url, 8, judge=judge, context=client, verified=False)
        if trusted:
            assert run(loop, names) == dict.fromkeys(names, (FOUND, b"hello"))
            assert server.connections <= 8
            return
        with pytest.raises(UserError, match="certificate verify failed"):
            run(loop, names)
