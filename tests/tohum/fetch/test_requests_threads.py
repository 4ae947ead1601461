from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.blobs import Blob, contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.tohum.fetch.looping import FOUND, LOST, QUICK, quick_judge, result, run
from tohum.errors import UserError
from tohum.fetch.requests_threads import RequestsThreads
from tohum.fetch.retries import Judge
from tohum.fetch.store import check_blob

BLOBS = list({blob.blob_id: blob for blob in sample_blobs(60)}.values())
NAMES = [blob.blob_id for blob in BLOBS]
EVERYTHING = {blob.blob_id: (FOUND, blob.content) for blob in BLOBS}
HEALING = [fault for fault in Fault if fault is not Fault.NO_SUCH_KEY]


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS), raw={"a b.py": b"print()\n"}) as store:
        yield store


def threads(base: str, judge: Judge | None = None, verified: bool = True) -> RequestsThreads:
    def check(row: Any, body: bytes) -> bytes:
        return check_blob(row, body) if verified else body

    return RequestsThreads(1, 0.1, judge or quick_judge(), lambda row: base + row, check, result)


def test_blobs_come_over_one_connection(store: FakeContentStore) -> None:
    assert run(threads(store.content_url), NAMES) == EVERYTHING
    assert set(store.fetches.values()) == {1}
    assert store.connections == 1


def test_a_plain_url_is_fetched(store: FakeContentStore) -> None:
    found = run(threads(store.raw_url(""), verified=False), ["a b.py", "other"])
    assert found == {"a b.py": (FOUND, b"print()\n"), "other": (LOST, b"missing: HTTP 404")}


@pytest.mark.parametrize("fault", HEALING)
def test_a_fault_that_heals_costs_no_blob(store: FakeContentStore, fault: Fault) -> None:
    store.fail(fault, 2, NAMES[3])
    assert run(threads(store.content_url), NAMES) == EVERYTHING


@pytest.mark.parametrize(
    "fault", [Fault.ACCESS_DENIED, Fault.INTERNAL_ERROR, Fault.DISCONNECTED, Fault.TRUNCATED]
)
def test_the_last_blob_is_given_up_when_only_a_probe_is_answered(
    store: FakeContentStore, fault: Fault
) -> None:
    store.fail(fault, FOREVER, NAMES[-1])
    found = run(threads(store.content_url), NAMES)
    assert [name for name, (kind, _) in found.items() if kind == LOST] == NAMES[-1:]
    assert found[NAMES[-1]][1].startswith(b"missing: ")


@pytest.mark.parametrize("fault", [Fault.ACCESS_DENIED, Fault.SLOW_DOWN, Fault.DISCONNECTED])
def test_a_store_that_fails_for_all_ends_the_run_and_loses_no_blob(
    store: FakeContentStore, fault: Fault
) -> None:
    store.fail(fault, FOREVER)
    found: dict[str, tuple[int, bytes]] = {}
    with pytest.raises(UserError, match="given nothing"):
        run(threads(store.content_url, quick_judge(replace(QUICK, patience=0.3))), NAMES, found)
    assert found == {}


@pytest.mark.parametrize("url", ["no url", "http://", "http://a b/"])
def test_what_is_no_url_is_lost_and_stops_nobody(url: str) -> None:
    kind, told = run(threads("", verified=False), [url])[url]
    assert kind == LOST and told.startswith(b"missing: ")


def test_behind_a_proxy_blobs_come_through_it(
    store: FakeContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake store stands in for the proxy: it is the one that is asked."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, store.endpoint)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    blob: Blob = BLOBS[0]
    assert run(threads("http://store.example/content/"), [blob.blob_id])[blob.blob_id][0] == FOUND
    assert store.requests[-1].target == f"http://store.example/content/{blob.blob_id}"
