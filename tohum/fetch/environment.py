"""The network settings of the environment: proxies, and certificates to trust.

Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in lower or upper case, and
`SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE`.
"""

import os
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from tohum.errors import UserError

PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True)
class Proxies:
    """The proxy of each scheme, empty for none, and the hosts that are reached without one."""

    by_scheme: dict[str, str]
    exceptions: str

    @classmethod
    def read(cls) -> "Proxies":
        """Reads the environment, and on macOS and Windows also the system's settings.

        Raises:
            UserError: a proxy's address cannot be parsed.
        """
        found = urllib.request.getproxies()
        for name in ("http", "https", "all"):
            if name in found:
                _check_proxy(name, found[name])
        default = found.get("all", "")
        by_scheme = {scheme: found.get(scheme, default) for scheme in ("http", "https")}
        return cls(by_scheme, found.get("no", ""))


def _check_proxy(name: str, address: str) -> None:
    """Raises a UserError without the address, which may contain a password."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        parts.port  # noqa: B018 - reading it checks it
        valid = bool(parts.hostname) and parts.scheme in PROXY_SCHEMES
    except ValueError:
        valid = False
    if not valid or re.search(r"\s", address):
        raise UserError(
            f"the environment variable {_variable(name)} is not the address of a proxy such as "
            "http://host:3128. Correct it, or unset it to connect directly."
        )


def _variable(name: str) -> str:
    """The variable that sets a proxy, as spelled in the environment."""
    wanted = f"{name}_proxy"
    return next((each for each in sorted(os.environ)[::-1] if each.lower() == wanted), wanted)


def certificates() -> str:
    """Returns the path of the certificates to trust, in PEM.

    Raises:
        UserError: the user's own file doesn't exist.
    """
    for name in CERTIFICATE_VARIABLES:
        if path := os.environ.get(name):
            if not Path(path).is_file():
                raise UserError(
                    f"{name} names the certificates to trust, but '{path}' is not a file. "
                    "Correct the variable, or unset it to trust those of certifi."
                )
            return path
    return certifi.where()
