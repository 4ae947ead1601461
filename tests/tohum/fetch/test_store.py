import gzip
import ssl
from collections.abc import Callable

import pytest

from tests.fakes.blobs import Blob, sample_blobs
from tests.fakes.content_store import gzip_member
from tests.tohum.fetch.looping import quick_judge, result
from tohum.errors import UserError
from tohum.fetch.pool import Fetcher
from tohum.fetch.requests_threads import RequestsThreads
from tohum.fetch.store import check_blob, store_fetcher
from tohum.fetch.store_loop import StoreLoop

BLOB = sample_blobs(1)[0]


def fetcher(url: str) -> Fetcher:
    return store_fetcher(url, 3, 0.5, quick_judge(), result)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"a" * 3_000_000])
def test_any_content_passes_in_both_forms(content: bytes) -> None:
    blob_id = Blob(content).blob_id
    assert check_blob(blob_id, gzip_member(content)) == content
    assert check_blob(blob_id, content) == content


def test_a_blob_that_is_itself_a_gzip_file_comes_as_it_is() -> None:
    archive = Blob(gzip.compress(b"inner", mtime=0))
    assert check_blob(archive.blob_id, gzip_member(archive.content)) == archive.content
    assert check_blob(archive.blob_id, archive.content) == archive.content


def test_a_changed_byte_anywhere_is_noticed() -> None:
    body = gzip_member(BLOB.content)
    for place in range(len(body)):
        damaged = bytearray(body)
        damaged[place] ^= 0x10
        try:
            assert check_blob(BLOB.blob_id, bytes(damaged)) == BLOB.content
        except ValueError:
            continue
        assert place in range(4, 10)  # time, flags and system of the gzip header mean nothing here


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def set_proxy(proxy: str, exceptions: str) -> None:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, exceptions)

    return set_proxy


def test_a_proxy_is_used_where_it_is_not_excepted(proxied: Callable[[str, str], None]) -> None:
    proxied("http://127.0.0.1:1", "")
    through = fetcher("http://store.example/content")
    assert isinstance(through, RequestsThreads) and through.runners == 3
    assert through.url({"id": "a"}) == "http://store.example/content/a"
    proxied("http://127.0.0.1:1", "store.example")
    assert isinstance(fetcher("http://store.example/content"), StoreLoop)


def test_an_address_that_is_no_url_is_an_error() -> None:
    with pytest.raises(UserError, match="is not an address"):
        fetcher("s3://softwareheritage/content/")


def test_the_users_certificates_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/bundle.pem")
    with pytest.raises((FileNotFoundError, ssl.SSLError)):
        fetcher("https://127.0.0.1:1/content/")
