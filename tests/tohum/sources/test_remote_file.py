import hashlib
import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.access import GOOD_TOKEN
from tests.fakes.faults import FOREVER
from tests.fakes.hub import COMMIT, FakeHub
from tests.fakes.raw_server import RawServer, answering
from tohum.errors import UserError
from tohum.sources import remote_file as remote_module
from tohum.sources.object_ids import GIT_BLOB, SHA256, ObjectId
from tohum.sources.range_requests import LEAST_ANSWER
from tohum.sources.remote_file import RemoteFile, RemoteReader

pytestmark = pytest.mark.slow


PATH = "data/a.parquet"
CONTENT = bytes(range(256)) * 1200
LISTED = ObjectId(SHA256, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "TRIES", 3)
    monkeypatch.setattr(remote_module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(remote_module, "TIMEOUT", (1, 0.3))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({PATH: CONTENT}) as hub:
        yield hub


def remote(
    hub: FakeHub, object_id: ObjectId = LISTED, headers: dict[str, str] | None = None
) -> RemoteFile:
    url = f"{hub.endpoint}/datasets/{hub.repo_id}/resolve/{COMMIT}/{PATH}"
    return RemoteFile(url, headers or {}, len(CONTENT), object_id)


def ranges(hub: FakeHub) -> list[str]:
    """The Range of each request for bytes."""
    return [request.headers["range"] for request in hub.requests if request.server == "cdn"]


def test_a_file_comes_whole_and_its_part_goes(hub: FakeHub, tmp_path: Path) -> None:
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    asked = len(hub.requests)
    remote(hub).download(tmp_path / "a")
    assert len(hub.requests) == asked


@pytest.mark.parametrize("have", [1, 100_000, len(CONTENT) - 1])
def test_a_part_is_gone_on_with(hub: FakeHub, tmp_path: Path, have: int) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT[:have])
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert ranges(hub) == [f"bytes={have}-{len(CONTENT) - 1}"]


def test_a_part_that_is_complete_or_too_long_is_only_checked(hub: FakeHub, tmp_path: Path) -> None:
    for extra in (b"", b"more"):
        (tmp_path / "a.part").write_bytes(CONTENT + extra)
        remote(hub).download(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == CONTENT
        (tmp_path / "a").unlink()
    assert hub.requests == []


def test_a_part_of_another_file_costs_no_try(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(bytes(1000))
    hub.corrupt("a", 2)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(ranges(hub)) == 3


@pytest.mark.parametrize("fault", ["drop", "stall", "503"])
def test_a_fault_costs_no_byte_that_has_come(hub: FakeHub, tmp_path: Path, fault: str) -> None:
    if fault == "503":
        hub.fail(503, 1, retry_after=0)
    else:
        {"drop": hub.drop_after, "stall": hub.stall_after}[fault](70_000, 2)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    if fault == "503":
        return
    starts = [int(span.removeprefix("bytes=").partition("-")[0]) for span in ranges(hub)]
    assert starts == [0, 70_000, 140_000]


def test_a_server_without_ranges_starts_over(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.drop_after(1000)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_server_without_ranges_that_never_ends_is_given_up(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.drop_after(3 * LEAST_ANSWER, FOREVER)
    with pytest.raises(UserError, match="failed 3 times in a row"):
        remote(hub).download(tmp_path / "a")


def test_a_failing_server_is_given_up_and_what_came_is_kept(hub: FakeHub, tmp_path: Path) -> None:
    hub.drop_after(200_000)
    hub.fail(500, FOREVER, part="/lfs/")
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    with pytest.raises(UserError, match="what has come so far is kept"):
        remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:1000]
    hub.heal()
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_wrong_bytes_are_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.corrupt(PATH, times=1)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(ranges(hub)) == 2


def test_wrong_bytes_twice_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.corrupt(PATH)
    with pytest.raises(UserError, match=f"the Hub lists {LISTED.value}"):
        remote(hub).download(tmp_path / "a")
    assert len(ranges(hub)) == 2
    assert list(tmp_path.iterdir()) == []


def git_id(content: bytes) -> ObjectId:
    return ObjectId(GIT_BLOB, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())


def test_a_file_outside_lfs_is_checked_by_its_git_object_id(hub: FakeHub, tmp_path: Path) -> None:
    remote(hub, git_id(CONTENT)).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    hub.corrupt(PATH)
    with pytest.raises(UserError, match=f"git blob SHA-1 .*the Hub lists {git_id(CONTENT).value}"):
        remote(hub, git_id(CONTENT)).download(tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_an_empty_file_is_not_asked_for(hub: FakeHub, tmp_path: Path) -> None:
    RemoteFile(hub.endpoint, {}, 0, git_id(b"")).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b""
    assert hub.requests == []


def test_lost_access_says_so(hub: FakeHub, tmp_path: Path) -> None:
    hub.gated = True
    with pytest.raises(UserError, match=r"HTTP 401 .*Check that you still have access"):
        remote(hub).download(tmp_path / "a")


def test_the_token_goes_to_the_hub_and_not_to_its_cdn(hub: FakeHub, tmp_path: Path) -> None:
    hub.gated = True
    remote(hub, headers={"authorization": f"Bearer {GOOD_TOKEN}"}).download(tmp_path / "a")
    assert [(request.server, request.token) for request in hub.requests] == [
        ("hub", GOOD_TOKEN),
        ("cdn", ""),
    ]


@pytest.mark.parametrize("served_ranges", [True, False])
def test_a_reader_is_a_file(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, served_ranges: bool
) -> None:
    monkeypatch.setattr(remote_module, "BLOCK", 1000)
    monkeypatch.setattr(remote_module, "BLOCKS_KEPT", 3)
    hub.ranges = served_ranges
    hub.drop_after(10, 2)
    file, real = io.BufferedReader(RemoteReader(remote(hub)), 500), io.BytesIO(CONTENT)
    for start, size in [(0, 10), (995, 10), (2000, 3500), (306_000, 5000), (307_195, 9), (5, 2)]:
        assert file.seek(start) == real.seek(start)
        assert file.read(size) == real.read(size)
        assert file.tell() == real.tell()
    assert file.seek(-7, io.SEEK_END) == real.seek(-7, io.SEEK_END)
    assert file.read() == real.read()


def test_a_block_is_fetched_once_while_it_is_kept(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "BLOCK", 1000)
    monkeypatch.setattr(remote_module, "BLOCKS_KEPT", 3)
    file = RemoteReader(remote(hub))
    for start in (0, 1000, 2000, 500, 0, 1000, 3000, 0):
        file.seek(start)
        assert file.read(10) == CONTENT[start : start + 10]
    assert ranges(hub) == [f"bytes={start}-{start + 999}" for start in (0, 1000, 2000, 3000)]


def ranged(first: int, last: int, size: int | str, body: bytes = CONTENT) -> bytes:
    """An answer that says to have these bytes of a file, in so many."""
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{size}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


END = len(CONTENT) - 1
PAGE = b"<html>Log in to this network</html>" * 100
ODD = {
    "206 of no length": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n",
    "206 that ends": b"HTTP/1.1 206 Partial Content\r\nConnection: close\r\n\r\n",
    "206 of an empty range": ranged(0, END, len(CONTENT), b""),
    "206 of another range": ranged(1, END, len(CONTENT), CONTENT[1:]),
    "206 of another file": ranged(0, END, len(CONTENT) + 1),
    "206 without a range": b"HTTP/1.1 206 Partial Content\r\nContent-Length: 307200\r\n\r\n"
    + CONTENT,
    "206 of two ranges": b"HTTP/1.1 206 Partial Content\r\n"
    b"Content-Type: multipart/byteranges; boundary=x\r\nContent-Length: 5\r\n\r\n--x--",
    "206 of a byte": ranged(0, 0, len(CONTENT), b"a"),
    "206 of a negative range": ranged(0, -5, "*", b"a"),
    "206 of a huge range": ranged(0, 10**30, "*", b"a"),
    "200 of another length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "200 of a huge length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nabc" % 10**18,
    "200 of a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=utf-8\r\n\r\n" + PAGE,
    "a page without a type": b"HTTP/1.1 200 OK\r\nContent-Length: 3500\r\n\r\n" + PAGE,
    "416": b"HTTP/1.1 416 No\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n",
    "a loop": b"HTTP/1.1 302 Found\r\nLocation: /content/a\r\nContent-Length: 0\r\n\r\n",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "a redirect to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
    b"Content-Length: 0\r\n\r\n",
    "another status": b"HTTP/1.1 520 Odd\r\nContent-Length: 0\r\n\r\n",
    "an odd Retry-After": b"HTTP/1.1 503 Odd\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n",
    "nothing": b"",
    "a header without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
}


@pytest.mark.parametrize("case", ODD)
def test_answers_without_the_wanted_bytes_are_given_up(tmp_path: Path, case: str) -> None:
    with RawServer(answering(ODD[case])) as server:
        file = RemoteFile(server.url + "a", {}, len(CONTENT), LISTED)
        with pytest.raises(UserError, match="failed 3 times in a row"):
            file.download(tmp_path / "a")
        assert len(server.asked) <= 3 * 6, "six where it redirects"
        assert (tmp_path / "a.part").stat().st_size <= 3
        with pytest.raises(UserError, match="failed 3 times in a row"):
            file.read(0, 10_000)


def test_a_web_page_in_place_of_a_file_is_named_and_harms_no_part(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT[:5000])
    with (
        RawServer(answering(ODD["a web page"])) as server,
        pytest.raises(UserError, match="does this network want you to log in"),
    ):
        RemoteFile(server.url + "a", {}, len(CONTENT), LISTED).download(tmp_path / "a")
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:5000]


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_trickle_is_given_up(tmp_path: Path, where: str) -> None:
    start = b"HTTP/1.1 200 OK\r\nX: "
    if where == "body":
        start += b"y\r\nContent-Length: 307200\r\n\r\n"
    pieces = [b"a"] * 1000
    with RawServer(answering(start, *pieces, pause=0.02)) as server:
        file = RemoteFile(server.url + "a", {}, len(CONTENT), LISTED)
        with pytest.raises(UserError, match="fewer than 2048 bytes per second"):
            file.download(tmp_path / "a")
        assert len(server.asked) == 3


def test_more_bytes_than_were_asked_for_are_not_taken(tmp_path: Path) -> None:
    """A body without end stops at the last wanted byte."""
    head = ranged(0, END, len(CONTENT), b"").replace(b"Content-Length: 0\r\n", b"")
    with RawServer(answering(head, CONTENT, *[bytes(1000)] * 1000)) as server:
        file = RemoteFile(server.url + "a", {}, len(CONTENT), LISTED)
        file.download(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == CONTENT
        assert file.read(0, len(CONTENT)) == CONTENT


def test_a_server_of_small_pieces_is_asked_piece_by_piece(tmp_path: Path) -> None:
    def talk(server: RawServer, connection: socket.socket) -> None:
        while True:
            start = len(server.asked) * LEAST_ANSWER
            server.request(connection)
            stop = min(len(CONTENT), start + LEAST_ANSWER)
            connection.sendall(ranged(start, stop - 1, len(CONTENT), CONTENT[start:stop]))

    with RawServer(talk) as server:
        RemoteFile(server.url + "a", {}, len(CONTENT), LISTED).download(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == CONTENT
        assert len(server.asked) == -(-len(CONTENT) // LEAST_ANSWER)
