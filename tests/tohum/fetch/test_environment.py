from pathlib import Path

import certifi
import pytest

from tests.fakes.raw_server import HELLO, RawServer, answering, make_certificate
from tests.tohum.fetch.looping import FOUND, run, url_fetcher
from tohum.errors import UserError
from tohum.fetch.environment import Proxies, certificates

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.upper, NAMES), "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_rows_are_fetched_through_the_proxy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with RawServer(answering(HELLO)) as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        url = "http://store.invalid/a"
        assert run(url_fetcher(), [url]) == {url: (FOUND, b"hello")}
        assert proxy.asked == [b"GET http://store.invalid/a HTTP/1.1"]


@pytest.mark.parametrize("exceptions", ["127.0.0.1", "localhost,127.0.0.1", "*", "127.0.0.0/8"])
def test_a_host_that_is_excepted_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch, exceptions: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", exceptions)
    with RawServer(answering(HELLO)) as server:
        assert run(url_fetcher(), [server.url]) == {server.url: (FOUND, b"hello")}


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "proxy",
    [
        "http://",
        "http://u:geheim@host:99999",
        "http://ho st:80",
        "ftp://host",
        "http://[::1",
        ":80",
    ],
)
def test_a_proxy_that_cannot_be_parsed_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    monkeypatch.setenv(name, proxy)
    with pytest.raises(UserError, match=name) as caught:
        run(url_fetcher(), ["http://store.invalid/a"])
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["host:3128", "http://host:3128", "http://u:p@host", "socks5h://[::1]:1080"]
)
def test_every_usual_form_of_a_proxy_is_taken(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert Proxies.read().by_scheme == {"http": "", "https": proxy}


def test_the_certificates_are_the_users_or_those_of_certifi(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert certificates() == certifi.where().encode()
    bundle = make_certificate(tmp_path, "example.org")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert certificates() == str(bundle).encode()
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(UserError, match="SSL_CERT_FILE"):
        certificates()
