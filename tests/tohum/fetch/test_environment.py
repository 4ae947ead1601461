import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import certifi
import pytest

from tests.fakes.raw_server import (
    HELLO,
    RawServer,
    answering,
    make_certificate,
    server_context,
)
from tests.tohum.fetch.looping import FOUND, QUICK, Results, run, url_fetcher
from tohum.errors import UserError
from tohum.fetch.environment import OTHER_FILES, Proxies, certificates

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
        "http://host:0",
        "//host:80",
        "http:host:80",
        "http://ayse:geh@im:geheim@host:80",
        "http://ayse:geheim#1@host:80",
        "http://[geheim]:80",
        "gopher://host",
        "http://ho\tst",
        "http://host:80\x01",
        "http://şı..ğ:80",
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
    "proxy",
    [
        *("host:3128", "http://host:3128", "http://u:p@host", "socks5h://[::1]:1080", "127.0.0.1"),
        *("SOCKS5://host", "https://host", "http://host:80/path?x", "http://u:%40@host:80"),
    ],
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


def test_a_proxy_and_its_exceptions_may_have_letters_of_any_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://ayşe:şifre@höst:3128/")
    monkeypatch.setenv("no_proxy", "bücher.example, .örnek.com\udcff,*,ş" + "a" * 70)
    found = Proxies.read()
    assert found.by_scheme["https"] == "http://ay%C5%9Fe:%C5%9Fifre@xn--hst-sna:3128"
    assert found.exceptions == "xn--bcher-kva.example,*"
    with RawServer(answering(HELLO)) as server:
        assert run(url_fetcher(), [server.url]) == {server.url: (FOUND, b"hello")}


@pytest.mark.parametrize("answer", [b"407 Log in", b"403 Forbidden", b"404 Not Found", b"502 Bad"])
def test_a_proxy_that_refuses_never_decides_what_becomes_of_a_row(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    found: Results = {}
    with RawServer(answering(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % answer)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        policy = replace(QUICK, patience=0.2)
        with pytest.raises(UserError, match="CONNECT tunnel failed"):
            run(url_fetcher(policy=policy), ["https://store.invalid/a"], found)
    assert found == {}


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN "])
def test_certificates_that_are_none_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with pytest.raises(UserError, match=r"SSL_CERT_FILE .* cannot be used"):
        certificates()


def test_certificates_may_lie_below_a_name_in_any_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A home such as /home/ayşe."""
    folder = tmp_path / "ayşe"
    folder.mkdir()
    served = make_certificate(folder, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(served))
    with RawServer(answering(HELLO), server_context(served)) as server:
        url = f"https://localhost:{server.port}/"
        assert run(url_fetcher(), [url]) == {url: (FOUND, b"hello")}


LIMIT = """
import resource, sys
from tohum.fetch.environment import possible_connections
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(possible_connections(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [
        (1024, 1024, 384, "384 1024"),
        (256, 1024, 384, f"384 {384 + OTHER_FILES}"),
        (256, 256, 384, f"{256 - OTHER_FILES} 256"),
        (64, 64, 384, "1 64"),
    ],
)
def test_there_are_no_more_connections_than_open_files_allow(
    soft: int, hard: int, wanted: int, expected: str
) -> None:
    """With 128 open files, 282 of 1,350 blobs were lost as unreachable."""
    command = [sys.executable, "-c", LIMIT, str(soft), str(hard), str(wanted)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == expected
