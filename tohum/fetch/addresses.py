"""Addresses of contents: URLs below a store's address, and URLs of rows."""

import re
from urllib.parse import SplitResult, quote, urlsplit

from tohum.errors import UserError
from tohum.fetch.answers import NotAnAddress

HTTP_URL = re.compile(r"(https?://[^/?#\\]+)(?:[/?#][!-~]*)?", re.IGNORECASE | re.ASCII)
PATH_SAFE = "%/:@!$&'()*+,;=~"  # RFC 3986, section 3.3; what is already quoted stays so
QUERY_SAFE = PATH_SAFE + "?"


def without_secrets(url: str) -> str:
    """Returns a URL without user, password, query and fragment, fit for a log or a file."""
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    authority, slash, path = rest.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def base_and_host(url: str) -> tuple[str, str]:
    """Returns a URL's scheme and authority as one text, and the host's name.

    The first may contain a password: it is a key, not for display.

    Raises:
        NotAnAddress: it is not an http or https URL.
    """
    match = HTTP_URL.fullmatch(url)
    if match is None:
        raise NotAnAddress("not an http or https URL")
    host = _split(match[1]).hostname
    assert host is not None
    return match[1], host


def requested(url: str) -> str:
    """Returns a row's URL ready to be sent: names in other scripts, spaces and so on are encoded.

    Raises:
        NotAnAddress: it is not an http or https URL.
    """
    url = url.strip()
    if HTTP_URL.fullmatch(url) and url.isascii():
        return url
    parts = _split(url)
    user, at, place = parts.netloc.rpartition("@")
    try:
        place = place.encode("idna").decode("ascii")
    except UnicodeError:
        raise NotAnAddress("the host's name cannot be encoded") from None
    address = f"{parts.scheme}://{quote(user, safe=PATH_SAFE)}{at}{place}"
    address += quote(parts.path or "/", safe=PATH_SAFE)
    if parts.query:
        address += "?" + quote(parts.query, safe=QUERY_SAFE)
    if not HTTP_URL.fullmatch(address):
        raise NotAnAddress("not an http or https URL")
    return address


def _split(url: str) -> SplitResult:
    """Splits an http or https URL.

    Raises:
        NotAnAddress: it is not one.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise NotAnAddress(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotAnAddress("not an http or https URL")
    if re.search(r"\s", parts.netloc):
        raise NotAnAddress("a space in the host's name")
    return parts


class StoreAddress:
    """The address of a store: `https://host/path/`, optionally with user, password and query.

    Raises:
        UserError: it is not an http or https URL.
    """

    def __init__(self, url: str) -> None:
        try:
            address = requested(url)
            base_and_host(address)
        except NotAnAddress as error:
            raise UserError(
                f"content_url: '{without_secrets(url)}' is not an address such as "
                f"https://host/path/ ({error}). Correct it in conf/runtime.yaml."
            ) from None
        parts = urlsplit(address)
        path = parts.path.strip("/")
        self._start = f"{parts.scheme}://{parts.netloc}/" + (f"{path}/" if path else "")
        self._end = f"?{parts.query}" if parts.query else ""

    def url(self, name: str) -> str:
        """Returns the URL of a name below the path, with the address's query."""
        quoted = name if name.isalnum() and name.isascii() else quote(name, safe="")
        return f"{self._start}{quoted}{self._end}"
