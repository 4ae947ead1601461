import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.raw_server import HELLO, RawServer, answering
from tests.tohum.fetch.looping import FOUND, run, store_fetcher
from tohum.errors import UserError
from tohum.fetch.addresses import (
    StoreAddress,
    base_of,
    host_of,
    public_url,
    public_url_sha1,
    requested,
    without_secrets,
)
from tohum.fetch.answers import NotAnAddress


@pytest.mark.parametrize(
    ("path", "name", "asked"),
    [
        ("", "a", b"GET /a HTTP/1.1"),
        ("/", "a", b"GET /a HTTP/1.1"),
        ("/x", "a", b"GET /x/a HTTP/1.1"),
        ("/x/y/", "a", b"GET /x/y/a HTTP/1.1"),
        ("/", "ş b\r\n", b"GET /%C5%9F%20b%0D%0A HTTP/1.1"),
        ("/x?sig=a%2Fb&se=2027", "a", b"GET /x/a?sig=a%2Fb&se=2027 HTTP/1.1"),
        ("/x#part", "a", b"GET /x/a HTTP/1.1"),
        ("/içerik/", "a", b"GET /i%C3%A7erik/a HTTP/1.1"),
    ],
)
def test_a_name_is_asked_for_below_the_path_and_with_the_query(
    path: str, name: str, asked: bytes
) -> None:
    with RawServer(answering(HELLO)) as server:
        fetcher = store_fetcher(f"http://127.0.0.1:{server.port}{path}", verified=False)
        assert run(fetcher, [name]) == {name: (FOUND, b"hello")}
        assert server.asked == [asked]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ayse:a%40b@host:8443/x/?sig=1", "https://ayse:a%40b@host:8443/x/n?sig=1"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x/n"),
        ("http://[::1]", "http://[::1]/n"),
        ("HTTP://Host/x", "http://Host/x/n"),
        ("http://bücher.example:8080/x", "http://xn--bcher-kva.example:8080/x/n"),
        ("http://ayşe:ş@host/", "http://ay%C5%9Fe:%C5%9F@host/n"),
        ("http://u v:p@host/", "http://u%20v:p@host/n"),
        ("http://host:/x", "http://host:/x/n"),
        ("http://host?a=/b/#c", "http://host/n?a=/b/"),
        ("http://host/%zz/%2F", "http://host/%zz/%2F/n"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example/x/n"),
    ],
)
def test_credentials_and_every_kind_of_host_are_kept(url: str, expected: str) -> None:
    assert StoreAddress(url).url("n") == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "softwareheritage", "s3://bucket/", "ftp://host/", "http://", "https:///x/"),
        *("http://host:99999/", "http://host:-1/", "http://host:port/", "http://[::1/"),
        *("http://ayse:geheim@host:99999/?sig=geheim", "http://a b/", "http://host:0/", "http://."),
        *("http://ayse:ge#heim@host/", "http://ayse:geheim/1@host/"),
        *("http://ayse:geheim@h@ost/", "http://ayse:geheim%00@host/", "ayse:geheim@host/x"),
        *("http://ayse:geheim@host\0/", "http://host:1:2/", "http://[::1]x/", "http://a,b/"),
        *("http://host:+80/", "http://host:\uff18\uff10/", "http://host/" + "x" * 70_000),
    ],
)
def test_an_address_that_is_not_a_url_is_named_without_its_secrets(url: str) -> None:
    with pytest.raises(UserError, match="is not an address") as caught:
        StoreAddress(url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example/x y.py", "http://a.example/x%20y.py"),
        (" http://a.example/x\n", "http://a.example/x"),
        ("http://a.example/ş%20b?q=ğ#part", "http://a.example/%C5%9F%20b?q=%C4%9F"),
        ("https://müller.example:8443/", "https://xn--mller-kva.example:8443/"),
        ("http://a.example", "http://a.example"),
    ],
)
def test_a_url_is_sent_as_a_browser_would(url: str, expected: str) -> None:
    assert requested(url) == expected


NOT_URLS = [
    "http://a:0/",
    "http://a|b/",
    "http://%zz/",
    "http://u%00:p@a/",
    "http://\0/",
    "",
    "no url",
    "http://",
    "http://a b/",
    "file:///etc/passwd",
    "ftp://a/",
    "http://a:b/",
]


NOT_HOSTS = ["http://a:0/", "http://a|b/", "http://%zz/", "http://u%00:p@a/", "http://\0/"]


@pytest.mark.parametrize(
    "url", [*NOT_URLS, *NOT_HOSTS, "http://[::1/", "http://a:70000/x", "//host/x"]
)
def test_what_is_not_a_url_is_not_asked_for(url: str) -> None:
    with pytest.raises(NotAnAddress):
        host_of(base_of(requested(url)))


@given(st.text(max_size=30) | st.text(max_size=20).map(lambda rest: f"http://{rest}"))
def test_no_text_does_anything_but_be_a_url_or_not(text: str) -> None:
    try:
        url = requested(text)
        base = base_of(url)
        host = host_of(base)
    except NotAnAddress:
        return
    assert url.isascii() and url.startswith(base) and host


@pytest.mark.parametrize("url", ["http://ayse:geheim@host:99999/", "http://geheim:geheim/x@host/"])
def test_why_it_is_not_a_url_is_said_without_its_secrets(url: str) -> None:
    with pytest.raises(NotAnAddress) as caught:
        host_of(base_of(requested(url)))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/a.py", "https://host/a.py"),
        ("https://host:80/@user/x", "https://host:80/@user/x"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("no url", "no url"),
        ("https://host/a.py?sig=geheim", "https://host/a.py#sha1=DIGEST"),
        ("https://ayse:geheim@host/a.py#geheim", "https://host/a.py#sha1=DIGEST"),
        ("https://ayse:ge#heim@host/a.py", "https://...#sha1=DIGEST"),
        ("https://host/a.py#sha1=" + "0" * 40, "https://host/a.py#sha1=DIGEST"),
        ("geheim:geheim@host", "host#sha1=DIGEST"),
    ],
)
def test_a_url_in_a_file_has_no_secret_and_still_identifies_the_row(
    url: str, expected: str
) -> None:
    digest = hashlib.sha1(url.encode()).digest()
    assert public_url(url) == expected.replace("DIGEST", digest.hex())
    assert public_url_sha1(public_url(url)) == digest


@given(st.text())
def test_the_sha1_of_any_url_survives(url: str) -> None:
    assert public_url_sha1(public_url(url)) == hashlib.sha1(url.encode()).digest()


@given(st.sampled_from(["http", "https", "HTTP"]), st.text("ab@:/?#", max_size=12))
def test_no_secret_is_displayed(scheme: str, rest: str) -> None:
    url = f"{scheme}://ayse:GEHEIM@host/path{rest}?sig=GEHEIM#GEHEIM"
    assert "GEHEIM" not in without_secrets(url)
    assert without_secrets("https://u:p@h:1/x/y?q#f") == "https://h:1/x/y"
