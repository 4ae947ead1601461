"""The fake content store as unmodified clients see it: requests and zlib."""

import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.fakes.blobs import Blob, contents
from tests.fakes.content_store import FakeContentStore, Fault, gzip_member
from tests.fakes.faults import FOREVER

KNOWN = Blob(b"# aaaaaaaa\n000000\n")


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents([KNOWN]), raw={"rows.jsonl": b"{}\n"}) as store:
        yield store


def test_known_row_has_the_published_ids_and_object() -> None:
    assert KNOWN.blob_id == "522d5f7839fa28747309c6be133d8a63c2ebfabb"
    assert KNOWN.content_id == "05ee8db65dd113c163da97ae6c8e0130a13d1123"
    assert gzip_member(KNOWN.content).hex() == (
        "1f8b080000000000000353564884022e0330e002002720987012000000"
    )


def test_store_sends_the_gzip_member_and_errors_as_s3(store: FakeContentStore) -> None:
    with requests.Session() as session:
        found = session.get(store.content_url + KNOWN.blob_id, timeout=5)
        assert zlib.decompress(found.content, wbits=31) == KNOWN.content
        assert "Content-Encoding" not in found.headers
        assert found.headers["ETag"] == f'"{hashlib.md5(found.content).hexdigest()}"'
        missing = session.get(store.content_url + "0" * 40, timeout=5)
        assert missing.status_code == 404 and "<Code>NoSuchKey</Code>" in missing.text
        assert missing.headers["x-amz-request-id"] in missing.text
        assert session.head(store.content_url + "0" * 40, timeout=5).text == ""
        assert session.get(store.raw_url("rows.jsonl"), timeout=5).content == b"{}\n"
    assert store.fetches == {KNOWN.blob_id: 1, "0" * 40: 2, "rows.jsonl": 1}
    assert store.connections == 1


def test_store_faults_heal_after_their_times_or_never(store: FakeContentStore) -> None:
    url = store.content_url + KNOWN.blob_id
    store.fail(Fault.SLOW_DOWN, times=2)
    store.fail(Fault.ACCESS_DENIED, FOREVER, "f" * 40)
    assert [requests.get(url, timeout=5).status_code for _ in range(3)] == [503, 503, 200]
    denied = [requests.get(store.content_url + "f" * 40, timeout=5) for _ in range(3)]
    assert [answer.status_code for answer in denied] == [403] * 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DISCONNECTED, requests.exceptions.ConnectionError),
        (Fault.TRUNCATED, requests.exceptions.ChunkedEncodingError),
        (Fault.STALLED, requests.exceptions.ConnectionError),
        (Fault.HALF_OBJECT, zlib.error),
        (Fault.NOT_GZIP, zlib.error),
        (Fault.UNCOMPRESSED, zlib.error),
        (Fault.OTHER_BYTES, ValueError),
    ],
)
def test_store_fault_spoils_one_answer(
    store: FakeContentStore, fault: Fault, error: type[Exception]
) -> None:
    def content(timeout: float) -> bytes:
        answer = requests.get(store.content_url + KNOWN.blob_id, timeout=timeout)
        content = zlib.decompress(answer.content, wbits=31)
        if hashlib.sha1(content).hexdigest() != KNOWN.blob_id:
            raise ValueError("another blob")
        return content

    store.fail(fault)
    with pytest.raises(error):
        content(timeout=0.5 if fault is Fault.STALLED else 10)
    assert content(timeout=10) == KNOWN.content


def test_store_answers_many_at_once(store: FakeContentStore) -> None:
    store.set_latency(0.2)
    store.set_keep_alive(False)
    with ThreadPoolExecutor(64) as pool:
        url = store.content_url + KNOWN.blob_id
        answers = list(pool.map(lambda _: requests.get(url, timeout=10).status_code, range(64)))
    assert answers == [200] * 64
    assert 8 < store.max_concurrent <= 64 == store.connections


def test_store_closes_in_silence_while_clients_wait(caplog: pytest.LogCaptureFixture) -> None:
    with (
        requests.Session() as session,
        FakeContentStore(contents([KNOWN])) as store,
    ):
        session.get(store.content_url + KNOWN.blob_id, timeout=5)
        store.fail(Fault.STALLED)
        session.get(store.content_url + KNOWN.blob_id, timeout=5, stream=True)
    assert not caplog.records
