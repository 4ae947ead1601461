import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.access import GOOD_TOKEN
from tests.fakes.faults import FOREVER
from tests.fakes.hub import COMMIT, FakeHub
from tests.fakes.raw_server import RawServer, answering
from tohum.errors import UserError
from tohum.sources import remote_file as remote_module
from tohum.sources.remote_file import PIECE, RemoteFile, RemoteReader

pytestmark = pytest.mark.slow


PATH = "data/a.parquet"
CONTENT = bytes(range(256)) * 1200
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "TRIES", 3)
    monkeypatch.setattr(remote_module, "TIMEOUT", (1, 0.3))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({PATH: CONTENT}) as hub:
        yield hub


def remote(
    hub: FakeHub, sha256: str | None = SHA256, headers: dict[str, str] | None = None
) -> RemoteFile:
    url = f"{hub.endpoint}/datasets/{hub.repo_id}/resolve/{COMMIT}/{PATH}"
    return RemoteFile(url, headers or {}, len(CONTENT), sha256)


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


@pytest.mark.parametrize("fault", ["drop", "stall", "503"])
def test_a_fault_costs_no_piece_that_has_come(hub: FakeHub, tmp_path: Path, fault: str) -> None:
    if fault == "503":
        hub.fail(503, 1, retry_after=0)
    else:
        {"drop": hub.drop_after, "stall": hub.stall_after}[fault](70_000, 2)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    if fault == "503":
        return
    starts = [int(span.removeprefix("bytes=").partition("-")[0]) for span in ranges(hub)]
    assert starts == [0, PIECE, 2 * PIECE]


def test_a_server_without_ranges_starts_over(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.drop_after(1000)
    remote(hub).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_server_without_ranges_that_never_ends_is_given_up(hub: FakeHub, tmp_path: Path) -> None:
    hub.ranges = False
    hub.drop_after(3 * PIECE, FOREVER)
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
    with pytest.raises(UserError, match=f"the Hub lists {SHA256}"):
        remote(hub).download(tmp_path / "a")
    assert len(ranges(hub)) == 2
    assert list(tmp_path.iterdir()) == []


def test_bytes_of_no_known_hash_are_taken(hub: FakeHub, tmp_path: Path) -> None:
    remote(hub, sha256=None).download(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


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


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
def test_answers_that_bring_nothing_are_given_up(tmp_path: Path, head: bytes) -> None:
    with RawServer(answering(head)) as server:
        file = RemoteFile(server.url + "a", {}, len(CONTENT), SHA256)
        with pytest.raises(UserError, match="failed 3 times in a row"):
            file.download(tmp_path / "a")
        assert len(server.asked) <= 4
        with pytest.raises(UserError, match="failed 3 times in a row"):
            file.read(0, 10)
