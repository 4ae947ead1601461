"""What all libcurl handles have in common: HTTP alone, redirects, proxies and certificates."""

from typing import Any

import pycurl

from tohum.fetch.environment import Proxies, certificates

MOST_REDIRECTS = 5
REDIRECT_PROTOCOLS = {  # no way back from TLS
    "http": pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
    "https": pycurl.PROTO_HTTPS,
}


class CurlSetup:
    """Sets handles up by the environment at the time when it is made.

    Raises:
        UserError: the environment names a proxy or certificates that can't be used.
    """

    def __init__(self) -> None:
        self._proxies = Proxies.read()
        self._certificates = certificates()

    def prepare(self, handle: Any) -> None:
        """Sets the options that do not depend on the URL."""
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 1),
            (pycurl.MAXREDIRS, MOST_REDIRECTS),
            (pycurl.CAINFO, self._certificates),
            (pycurl.PROXY_CAINFO, self._certificates),
            (pycurl.NOPROXY, self._proxies.exceptions),
        ):
            handle.setopt(option, value)

    def choose_scheme(self, handle: Any, scheme: str) -> None:
        """Sets the options that depend on the scheme of the URL, in lower case."""
        handle.setopt(pycurl.REDIR_PROTOCOLS, REDIRECT_PROTOCOLS.get(scheme, pycurl.PROTO_HTTPS))
        handle.setopt(pycurl.PROXY, self._proxies.by_scheme.get(scheme, ""))
