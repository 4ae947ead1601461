"""Addresses of contents: URLs below a store's address, and URLs of rows."""

import hashlib
import re
from urllib.parse import quote, urlsplit

import pycurl

from tohum.errors import UserError
from tohum.fetch.answers import NotAnAddress

AUTHORITY = r"""[!"$-.0->@-[\]-~]+"""  # printable ASCII but / ? # \
HTTP_URL = re.compile(rf"(https?://{AUTHORITY})(?:[/?#][!-~]*)?", re.IGNORECASE | re.ASCII)
HOST_AND_PORT = re.compile(r"(\[[^]@]*\]|[^]:@[\\]*)(:\d*)?")
PATH_SAFE = "%/:@!$&'()*+,;=~"  # RFC 3986, section 3.3; what is already quoted stays so
QUERY_SAFE = PATH_SAFE + "?"
LONGEST_URL = 1 << 16  # characters; common servers refuse more than 8,000
LEFT_OUT = "#sha1="


def without_secrets(url: str) -> str:
    """Returns a URL without user, password, query and fragment, fit for a log or a file.

    What comes after the scheme is left out if a password in it may have characters that end it.
    """
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    authority, slash, path = rest.partition("/")
    place = authority.rpartition("@")[2]
    if not HOST_AND_PORT.fullmatch(place):
        return f"{scheme}{separator}..."
    return scheme + separator + place + slash + path


def public_url(url: str) -> str:
    """Returns a row's URL fit for files that others get: without secrets.

    If anything is left out, the SHA-1 of the whole URL follows as its fragment, because rows may
    differ in nothing else.
    """
    public = without_secrets(url)
    return (
        public if public == url else f"{public}{LEFT_OUT}{hashlib.sha1(url.encode()).hexdigest()}"
    )


def public_url_sha1(public: str) -> bytes:
    """Returns the SHA-1 of the whole URL for what `public_url` returned."""
    _, left_out, digest = public.partition(LEFT_OUT)
    return bytes.fromhex(digest) if left_out else hashlib.sha1(public.encode()).digest()


def base_of(url: str) -> str:
    """Returns a URL's scheme and authority. They may contain a password: a key, not for display.

    Raises:
        NotAnAddress: it is not an http or https URL.
    """
    match = HTTP_URL.fullmatch(url)
    if match is None:
        raise NotAnAddress("not an http or https URL")
    return match[1]


def host_of(base: str) -> str:
    """Returns the host's name in a URL's scheme and authority.

    Raises:
        NotAnAddress: libcurl cannot use them.
    """
    try:
        parts = pycurl.CurlUrl(base)
        for part in (pycurl.UPART_USER, pycurl.UPART_PASSWORD):
            parts.getpart(part, pycurl.U_URLDECODE)
    except pycurl.error as error:
        raise NotAnAddress(f"not a URL: {error.args[1]}") from None
    if parts.port == "0":
        raise NotAnAddress("not a URL: there is no port 0")
    return str(parts.host)


def requested(url: str) -> str:
    """Returns a row's URL ready to be sent: names in other scripts, spaces and so on are encoded.

    Raises:
        NotAnAddress: it is not an http or https URL.
    """
    url = url.strip()
    if len(url) > LONGEST_URL:
        raise NotAnAddress(f"a URL of more than {LONGEST_URL:,} characters")
    if HTTP_URL.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
        address = f"{parts.scheme}://{ascii_authority(parts.netloc)}"
        address += quote(parts.path or "/", safe=PATH_SAFE)
        if parts.query:
            address += "?" + quote(parts.query, safe=QUERY_SAFE)
    except ValueError:
        raise NotAnAddress("not a URL") from None
    base_of(address)
    return address


def ascii_authority(authority: str) -> str:
    """Returns a URL's authority with the user and the password percent-encoded, and the host's name
    as it is in the DNS.

    Raises:
        ValueError: the host's name cannot be encoded.
    """
    user, at, place = authority.rpartition("@")
    host, colon, port = place.rpartition(":") if re.search(r":\d*$", place) else (place, "", "")
    if re.search(r"\s", host):
        raise ValueError("a space in the host's name")
    return quote(user, safe=PATH_SAFE) + at + host.encode("idna").decode("ascii") + colon + port


class StoreAddress:
    """The address of a store: `https://host/path/`, optionally with user, password and query.

    Raises:
        UserError: it is not an http or https URL.
    """

    def __init__(self, url: str) -> None:
        try:
            address = requested(url)
            base = base_of(address)
            host_of(base)
        except NotAnAddress as error:
            raise UserError(
                f"content_url: '{without_secrets(url)}' is not an address such as "
                f"https://host/path/ ({error}). Correct it in conf/runtime.yaml."
            ) from None
        path, _, query = address[len(base) :].partition("#")[0].partition("?")
        path = path.strip("/")
        scheme, colon, place = base.partition(":")
        self._start = f"{scheme.lower()}{colon}{place}/" + (f"{path}/" if path else "")
        self._end = f"?{query}" if query else ""

    def url(self, name: str) -> str:
        """Returns the URL of a name below the path, with the address's query."""
        quoted = name if name.isalnum() and name.isascii() else quote(name, safe="")
        return f"{self._start}{quoted}{self._end}"
