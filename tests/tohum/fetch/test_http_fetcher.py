import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault, gzip_member
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
    quick_throttle,
    result,
    run,
    store_fetcher,
    url_fetcher,
)
from tohum.errors import UserError
from tohum.fetch.pool import Segment, Tasks
from tohum.fetch.retries import Lost, RetryPolicy, Throttle
from tohum.fetch.store import EMPTY_SHA1

pytestmark = pytest.mark.slow


BLOBS = list({blob.blob_id: blob for blob in sample_blobs(300)}.values())
BLOB = BLOBS[0]
NAMES = [blob.blob_id for blob in BLOBS]
SILENT: list[socket.socket] = []
EVERYTHING = {blob.blob_id: (FOUND, blob.content) for blob in BLOBS}
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
PORTAL = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
HEALING = [fault for fault in Fault if fault is not Fault.NO_SUCH_KEY]


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_each_name_is_asked_for_once_over_connections_that_stay_open(
    store: FakeContentStore, connections: int
) -> None:
    store.set_latency(0.02)
    assert run(store_fetcher(store.content_url, connections), NAMES) == EVERYTHING
    assert set(store.fetches.values()) == {1}
    assert connections / 2 < store.max_concurrent <= store.connections <= connections


def test_an_error_in_chunks_leaves_the_connection_usable(store: FakeContentStore) -> None:
    missing = Blob(b"not there").blob_id
    found = run(store_fetcher(store.content_url, 1), [NAMES[0], missing, NAMES[1]])
    assert found[missing] == (LOST, b"missing: HTTP 404")
    assert store.fetches[missing] == 1
    assert store.connections == 1


def test_a_server_that_closes_after_each_answer_costs_no_try(store: FakeContentStore) -> None:
    """It does not say so, and what a closing connection swallowed is asked for again at once."""
    store.set_keep_alive(False)
    policy = replace(QUICK, tries=1, network_tries=1)
    assert run(store_fetcher(store.content_url, 16, policy=policy), NAMES) == EVERYTHING


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
    policy = replace(QUICK, tries=1)
    with RawServer(talk) as server:
        fetcher = store_fetcher(server.url, 1, policy=policy, verified=False, work=work)
        fetcher.run(tasks, lambda task, kind, payload: found.append((kind, payload)))
    assert found == [(FOUND, b"hello")] * 2
    assert server.connections == 2


def test_an_answer_that_says_close_is_not_asked_again_on_its_connection() -> None:
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with RawServer(answering(closing, hold=1)) as server:
        found = run(store_fetcher(server.url, 2, verified=False), list("abcdef"))
    assert found == dict.fromkeys("abcdef", (FOUND, b"hello"))
    assert server.connections == 6


@pytest.mark.parametrize("fault", HEALING)
@pytest.mark.parametrize("times", [1, 2])
def test_a_fault_that_heals_costs_tries_but_no_blob(
    store: FakeContentStore, fault: Fault, times: int
) -> None:
    store.fail(fault, times, BLOB.blob_id)
    found = run(store_fetcher(store.content_url, timeout=0.1), NAMES[:20])
    assert found == {name: EVERYTHING[name] for name in NAMES[:20]}
    expected = 1 if fault is Fault.UNCOMPRESSED else times + 1
    assert store.fetches[BLOB.blob_id] == expected


# Both limits are a second here, and either may come first.
STALLED = "the answer took longer than 1 s (2 times)|nothing came for 1 s (2 times)"


@pytest.mark.parametrize(
    ("fault", "outcome", "detail", "tries"),
    [
        (Fault.ACCESS_DENIED, "missing", "HTTP 403 (3 times)", 3),
        (Fault.SLOW_DOWN, "unreachable", "HTTP 503 (32 times)", 32),
        (Fault.INTERNAL_ERROR, "unreachable", "HTTP 500 (8 times)", 8),
        (Fault.DISCONNECTED, "unreachable", "without an answer (8 times)", 8),
        (Fault.TRUNCATED, "unreachable", "in the middle of an answer (8 times)", 8),
        (Fault.STALLED, "unreachable", STALLED, 2),
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
    policy = replace(QUICK, first_wait=0.02, longest_wait=0.05, tries=min(tries, 8))
    names = [*NAMES[1:10], BLOB.blob_id]
    found = run(store_fetcher(store.content_url, 2, 0.1, policy), names)
    kind, told = found.pop(BLOB.blob_id)
    assert kind == LOST
    assert told.decode().startswith(outcome)
    assert any(each in told.decode() for each in detail.split("|"))
    assert found == {name: EVERYTHING[name] for name in names[:-1]}
    # libcurl asks again by itself where a connection that was idle is found closed.
    assert tries <= store.fetches[BLOB.blob_id] <= 3 * tries


def test_one_blob_that_always_stalls_is_given_up_though_each_try_takes_long(
    store: FakeContentStore,
) -> None:
    """No other blob comes meanwhile, and a try takes longer than anything else in the policy."""
    store.fail(Fault.STALLED, FOREVER, BLOB.blob_id)
    policy = RetryPolicy(first_wait=0.001, longest_wait=0.002, patience=0.3, tries=3)
    found = run(store_fetcher(store.content_url, 4, 0.05, policy), [BLOB.blob_id])
    told = b"unreachable: the answer took longer than 0.5 s (3 times)"
    assert found == {BLOB.blob_id: (LOST, told)}
    assert store.fetches[EMPTY_SHA1] > 0


def test_a_body_that_trickles_ends_at_the_deadline_and_counts() -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        if EMPTY_SHA1.encode() in server.request(connection):
            body = gzip_member(b"")
            connection.sendall(SIZED % len(body) + body)
            return
        connection.sendall(SIZED % 1000)
        for _ in range(1000):
            connection.sendall(b"a")
            time.sleep(0.01)

    policy = replace(QUICK, tries=2)
    began = time.monotonic()
    with RawServer(talk) as server:
        found = run(store_fetcher(server.url, 2, 0.05, policy), ["a"])
    assert found == {"a": (LOST, b"unreachable: the answer took longer than 0.5 s (2 times)")}
    assert time.monotonic() - began < 5


ENDLESS = {
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "absurd length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\nhello",
    "lines of LF alone, cut off": b"HTTP/1.1 200 OK\nContent-Length: 9\n\nhello",
    "endless body": b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 100_000,
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: yes\r\n" * 40_000,
    "redirect to itself": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "informational without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
}


@pytest.mark.parametrize("fault", ENDLESS)
def test_an_absurd_answer_among_good_ones_ends_and_counts(fault: str) -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        while line := server.request(connection):
            if line.startswith((b"GET /content/bad ", b"GET / ")):
                connection.sendall(ENDLESS[fault])
                if "body" in fault:
                    while True:
                        connection.sendall(b"a" * 100_000)
                return
            connection.sendall(HELLO)

    names = ["bad", *(f"{number}" for number in range(200))]
    policy = replace(QUICK, tries=3)
    with RawServer(talk) as server:
        fetcher = store_fetcher(server.url, 4, policy=policy, verified=False, largest=1_000_000)
        found = run(fetcher, names)
        asked = [line for line in server.asked if b"/bad " in line or b"GET / " in line]
    kind, told = found.pop("bad")
    assert kind == LOST and told.startswith(b"unreachable: ")
    assert found == dict.fromkeys(names[1:], (FOUND, b"hello"))
    assert len(asked) <= 40


@pytest.mark.parametrize("status", [400, 407, 501, 507, 511, 520, 521, 530, 599, 302])
def test_a_passing_status_costs_tries_but_no_blob(status: int) -> None:
    refused: set[bytes] = set()

    def talk(server: RawServer, connection: socket.socket) -> None:
        while line := server.request(connection):
            if b"/content/1" in line and line not in refused:
                refused.add(line)
                connection.sendall(b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status)
            else:
                connection.sendall(HELLO)

    names = [f"{number}" for number in range(200)]
    with RawServer(talk) as server:
        found = run(store_fetcher(server.url, verified=False), names)
    assert found == dict.fromkeys(names, (FOUND, b"hello"))
    assert len(refused) == 111


def test_a_page_for_logging_in_elsewhere_decides_nothing() -> None:
    """A network that redirects everything to a host that has nothing at all, for a while."""
    page = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    with RawServer(page) as portal:
        location = f"http://localhost:{portal.port}/login".encode()

        def talk(server: RawServer, connection: socket.socket) -> None:
            while server.request(connection):
                if 100 < len(server.asked) < 300:
                    head = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
                    connection.sendall(head % location)
                else:
                    connection.sendall(HELLO)

        names = [f"{number}" for number in range(200)]
        with RawServer(talk) as server:
            found = run(store_fetcher(server.url, verified=False), names)
    assert found == dict.fromkeys(names, (FOUND, b"hello"))


def test_a_redirect_that_is_not_unicode_loses_one_row_and_stops_nobody() -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        while line := server.request(connection):
            head = (
                b"HTTP/1.1 302 Found\r\nLocation: http://\xe7.invalid/\r\nContent-Length: 0\r\n\r\n"
            )
            connection.sendall(head if b"/bad " in line else HELLO)

    policy = replace(QUICK, tries=2)
    with RawServer(talk) as server:
        found = run(store_fetcher(server.url, policy=policy, verified=False), ["bad", *"abcdef"])
    told = "unreachable: redirected: Could not resolve host: \ufffd.invalid (2 times)"
    assert found.pop("bad") == (LOST, told.encode())
    assert found == dict.fromkeys("abcdef", (FOUND, b"hello"))


def test_an_address_without_a_route_costs_nothing(tmp_path: Path) -> None:
    """`localhost` is ::1 too, where nobody listens; each answer closes its connection."""
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    policy = replace(QUICK, tries=1, network_tries=1)
    names = [f"{number}" for number in range(300)]
    with RawServer(answering(closing)) as server:
        url = f"http://localhost:{server.port}/content/"
        found = run(store_fetcher(url, 16, policy=policy, verified=False), names)
    assert found == dict.fromkeys(names, (FOUND, b"hello"))


def test_an_answer_before_its_question_is_not_taken_for_one() -> None:
    """It is there as soon as the connection is open; the right one never comes on it."""

    def talk(server: RawServer, connection: socket.socket) -> None:
        if server.connections == 1:
            server.request(connection)
            connection.sendall(HELLO + HELLO.replace(b"hello", b"wrong"))
            time.sleep(3)
        answering(HELLO)(server, connection)

    with RawServer(talk) as server:
        found = run(store_fetcher(server.url, 1, 1, verified=False), ["a", "b"])
    assert found == dict.fromkeys("ab", (FOUND, b"hello"))


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", PORTAL]
)
def test_what_does_not_speak_http_ends_the_run(answer: bytes) -> None:
    policy = replace(QUICK, patience=0.3)
    with RawServer(answering(answer)) as server, pytest.raises(UserError, match="given nothing"):
        run(store_fetcher(server.url, 4, policy=policy), NAMES[:8])


def refused_url() -> str:
    """The address of a port that is taken, so that no later server gets it, but does not listen."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    SILENT.append(taken)
    return f"http://127.0.0.1:{taken.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("url", "message"),
    [(refused_url(), "refused"), ("http://store.invalid/content/", "resolve host")],
    ids=["refused", "unknown"],
)
def test_a_store_that_cannot_be_reached_ends_the_run_and_says_why(url: str, message: str) -> None:
    found: Results = {}
    policy = replace(QUICK, patience=0.3)
    with pytest.raises(UserError, match=message):
        run(store_fetcher(url, 16, policy=policy), NAMES, found)
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
    policy = replace(QUICK, patience=0.6)
    began = time.monotonic()
    with pytest.raises(UserError, match="given nothing for"):
        run(store_fetcher(store.content_url, 24, policy=policy, work=work), NAMES, found)
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

    fetcher = store_fetcher(store.content_url, 24, 0.1, replace(QUICK, patience=10), work=work)
    assert run(fetcher, NAMES, found) == EVERYTHING
    assert store.fetches.total() > len(NAMES) + 24


def test_a_burst_of_slow_down_pauses_all_and_loses_nothing(store: FakeContentStore) -> None:
    policy = replace(QUICK, patience=30)
    store.set_latency(0.01)
    store.fail(Fault.SLOW_DOWN, 40)
    fetcher = store_fetcher(store.content_url, 16, policy=policy)
    assert run(fetcher, NAMES) == EVERYTHING
    (host,) = fetcher.hosts.values()
    assert 2 <= host.throttle.pauses <= 27  # the first is for the refusals of all connections


def paused(seconds: float, _host: str = "") -> Throttle:
    throttle = Throttle(seconds, seconds)
    throttle.slow_down()
    return throttle


def test_nobody_asks_while_a_pause_is_on(store: FakeContentStore) -> None:
    began = time.monotonic()
    fetcher = store_fetcher(store.content_url, throttle=lambda _: paused(0.5))
    assert run(fetcher, NAMES) == EVERYTHING
    assert time.monotonic() - began > 0.45


def test_a_blob_that_is_taken_down_stops_nobody(store: FakeContentStore) -> None:
    """A 403 for single keys is a loss; a 403 for all of them is the store's."""
    for name in NAMES[:10]:
        store.fail(Fault.ACCESS_DENIED, FOREVER, name)
    found = run(store_fetcher(store.content_url), NAMES)
    assert {name for name, (kind, _) in found.items() if kind == LOST} == set(NAMES[:10])


@pytest.mark.parametrize("state", ["busy", "stalled", "paused", "waiting"])
def test_none_among_the_tasks_ends_the_run_at_once(store: FakeContentStore, state: str) -> None:
    """Whatever is still to do, and however the store behaves."""
    policy = RetryPolicy(first_wait=60, longest_wait=60)
    throttle = quick_throttle
    if state == "stalled":
        store.fail(Fault.STALLED, FOREVER)
    elif state == "waiting":
        store.fail(Fault.INTERNAL_ERROR, FOREVER)
    elif state == "paused":
        throttle = partial(paused, 60)
    else:
        store.set_latency(0.05)
    tasks: Tasks = queue.SimpleQueue()
    for place, name in enumerate(NAMES):
        tasks.put((Segment(0, {}), place, name))
    fetcher = store_fetcher(store.content_url, 4, 60, policy, throttle=throttle)
    thread = threading.Thread(target=fetcher.run, args=(tasks, lambda *_: None), daemon=True)
    thread.start()
    time.sleep(0.15)
    tasks.put(None)
    thread.join(1)
    assert not thread.is_alive()


@pytest.mark.parametrize("trusted", [True, False])
def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    """`localhost` may be ::1 as well, where nobody listens; no name is lost by that."""
    served = make_certificate(tmp_path, "localhost")
    other = make_certificate(tmp_path, "example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(served if trusted else other))

    def talk(server: RawServer, connection: socket.socket) -> None:
        while server.request(connection):
            connection.sendall(HELLO)

    policy = replace(QUICK, patience=0.5, tries=1)
    names = [f"{number}" for number in range(100)]
    with RawServer(talk, server_context(served)) as server:
        url = f"https://localhost:{server.port}/content/"
        fetcher = store_fetcher(url, 8, policy=policy, verified=False)
        if trusted:
            assert run(fetcher, names) == dict.fromkeys(names, (FOUND, b"hello"))
            assert server.connections <= 8
            return
        with pytest.raises(UserError, match="certificate"):
            run(fetcher, names)


@pytest.fixture
def plain() -> Iterator[FakeContentStore]:
    with FakeContentStore({}, raw={"a b.py": b"print()\n", "c.py": b"1\n"}) as store:
        yield store


def test_plain_urls_are_fetched(plain: FakeContentStore) -> None:
    names = [plain.raw_url(name) for name in ("a b.py", "other", "c.py")]
    assert run(url_fetcher(), names) == {
        names[0]: (FOUND, b"print()\n"),
        names[1]: (LOST, b"missing: HTTP 404"),
        names[2]: (FOUND, b"1\n"),
    }


@pytest.mark.parametrize(
    "url",
    [
        *("no url", "http://", "http://a b/", "ftp://a/b", "http://a:99999/", "http://a:0/", ""),
        *("file:///etc/passwd", "http://u%00:p@a/", "http://a,b/", "http://\0/", "http://[::1"),
        *("http://a/" + "x" * 9_000_000, "javascript:alert(1)", "http://ş..ğ/", "//a/b"),
    ],
    ids=lambda url: url[:20],
)
def test_what_is_not_a_url_is_lost_and_stops_nobody(plain: FakeContentStore, url: str) -> None:
    found = run(url_fetcher(), [url, plain.raw_url("c.py")])
    kind, told = found[url]
    assert kind == LOST and told.startswith(b"missing: ")
    assert found[plain.raw_url("c.py")] == (FOUND, b"1\n")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.ACCESS_DENIED, "missing"),
        (Fault.INTERNAL_ERROR, "unreachable"),
        (Fault.DISCONNECTED, "unreachable"),
        (Fault.TRUNCATED, "unreachable"),
    ],
)
def test_the_last_url_is_given_up_when_only_a_probe_is_answered(
    plain: FakeContentStore, fault: Fault, outcome: str
) -> None:
    plain.fail(fault, FOREVER, "c.py")
    names = [plain.raw_url("a b.py"), plain.raw_url("c.py")]
    found = run(url_fetcher(1), names)
    assert found[names[0]] == (FOUND, b"print()\n")
    assert found[names[1]][1].startswith(outcome.encode())


def test_each_row_may_be_on_another_host_and_a_dead_one_stops_nobody(
    plain: FakeContentStore,
) -> None:
    dead = [f"{refused_url()}{number}" for number in range(50)]
    unknown = ["http://store.invalid/a", "https://store.invalid/b"]
    stores = [FakeContentStore({}, raw={"x.py": b"%d" % number}) for number in range(3)]
    with stores[0], stores[1], stores[2]:
        alive = [store.raw_url("x.py") + f"?n={n}" for store in stores for n in range(60)]
        began = time.monotonic()
        policy = replace(QUICK, patience=60)
        found = run(url_fetcher(policy=policy), [*dead, *unknown, *alive])
        assert time.monotonic() - began < 20, "the dead are given up after the others' end too"
        assert {found[name][1] for name in alive} == {b"0", b"1", b"2"}
    for name in (*dead, *unknown):
        assert found[name][0] == LOST and found[name][1].startswith(b"unreachable: ")


def test_a_host_that_is_busy_holds_no_other_up(plain: FakeContentStore) -> None:
    with FakeContentStore({}, raw={"x.py": b"x"}) as busy:
        busy.fail(Fault.SLOW_DOWN, FOREVER)
        names = [plain.raw_url("c.py") + f"?n={n}" for n in range(200)]
        tasks: Tasks = queue.SimpleQueue()
        found: list[str] = []

        def done(task: Any, kind: int, payload: bytes) -> None:
            found.append(task[2])
            if len(found) == len(names):
                tasks.put(None)

        for name in (busy.raw_url("x.py"), *names):
            tasks.put((Segment(0, {}), 0, name))
        fetcher = url_fetcher(4)
        fetcher.throttle = lambda _: Throttle(60, 60)
        began = time.monotonic()
        fetcher.run(tasks, done)
        assert sorted(found) == sorted(names)
        assert time.monotonic() - began < 10


def test_all_hosts_silent_is_the_network_and_ends_the_run() -> None:
    found: Results = {}
    policy = replace(QUICK, patience=0.3)
    names = [f"{refused_url()}{number}" for number in range(5)]
    with pytest.raises(UserError, match="given nothing for"):
        run(url_fetcher(policy=policy), names, found)
    assert found == {}


def test_neither_query_nor_password_is_said(caplog: pytest.LogCaptureFixture) -> None:
    port = refused_url().rpartition(":")[2].strip("/")
    with FakeContentStore({}, raw={"x.py": b"x"}) as alive:
        secret = f"http://ayse:geheim@127.0.0.1:{port}/x?sig=geheim"
        names = [alive.raw_url("x.py") + f"?n={n}" for n in range(100)]
        alive.set_latency(0.01)
        found = run(url_fetcher(2), [secret, *names])
    assert found[secret][0] == LOST
    assert b"geheim" not in found[secret][1] and "geheim" not in caplog.text
