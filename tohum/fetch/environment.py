"""The network settings of the environment: proxies, and certificates to trust.

Reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in lower or upper case, and
`SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE`.
"""

import logging
import os
import ssl
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import certifi
import pycurl

from tohum.errors import UserError
from tohum.fetch.addresses import ascii_authority

PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
PROXY_SYNTAX = pycurl.U_GUESS_SCHEME | pycurl.U_NON_SUPPORT_SCHEME  # as libcurl reads it
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
OTHER_FILES = 96  # that the stage has open at most: journals, archives, and the interpreter's

log = logging.getLogger(__name__)


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
                found[name] = _proxy(name, found[name])
        default = found.get("all", "")
        by_scheme = {scheme: found.get(scheme, default) for scheme in ("http", "https")}
        return cls(by_scheme, _exceptions(found.get("no", "")))


def _proxy(name: str, address: str) -> str:
    """Returns a proxy's address in ASCII.

    Raises:
        UserError: it is none; the message lacks the address, which may contain a password.
    """
    scheme, separator, authority = address.rpartition("://")
    try:
        if not authority.isascii():
            address = scheme + separator + ascii_authority(authority.partition("/")[0])
        parts = pycurl.CurlUrl(address, PROXY_SYNTAX)
        if parts.scheme in PROXY_SCHEMES and parts.port != "0":
            return address
        reason = "it must be an http, https or socks proxy, on a port from 1 to 65535"
    except pycurl.error as error:
        reason = error.args[1]
    except ValueError:
        reason = "its host's name cannot be encoded"
    raise UserError(
        f"the environment variable {_variable(name)} is not the address of a proxy such as "
        f"http://host:3128 ({reason}; in a password, write @ as %40 and : as %3A). Correct it, or "
        "unset it to connect directly."
    )


def _exceptions(hosts: str) -> str:
    """Returns the hosts of `no_proxy` in ASCII; a name that cannot be encoded matches nothing."""
    if hosts.isascii():
        return hosts
    encoded = []
    for host in hosts.replace(",", " ").split():
        try:
            encoded.append(host.lstrip(".").encode("idna").decode("ascii"))
        except ValueError:
            continue
    return ",".join(encoded)


def _variable(name: str) -> str:
    """The variable that sets a proxy, as spelled in the environment."""
    wanted = f"{name}_proxy"
    return next((each for each in sorted(os.environ)[::-1] if each.lower() == wanted), wanted)


def certificates() -> bytes:
    """Returns the path of the certificates to trust, in PEM.

    Raises:
        UserError: the user's own file doesn't exist or has none.
    """
    for name in CERTIFICATE_VARIABLES:
        if path := os.environ.get(name):
            _check_certificates(name, path)
            return os.fsencode(path)
    return os.fsencode(certifi.where())


def _check_certificates(name: str, path: str) -> None:
    problem = "is not a file"
    if Path(path).is_file():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            return
        except OSError as error:
            problem = f"cannot be used ({error.strerror or 'it has no certificate in PEM'})"
    raise UserError(
        f"{name} names the certificates to trust, but '{path}' {problem}. Correct the variable, or "
        "unset it to trust those of certifi."
    )


def possible_connections(wanted: int) -> int:
    """Returns how many of the wanted connections the process's limit of open files allows.

    A soft limit that is too low is raised as far as the hard limit allows: it is 256 on macOS.
    """
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted + OTHER_FILES:
        return wanted
    unlimited = hard == resource.RLIM_INFINITY
    limit = wanted + OTHER_FILES if unlimited else min(wanted + OTHER_FILES, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    possible = max(1, min(wanted, limit - OTHER_FILES))
    if possible < wanted:
        log.warning(
            "%d connections instead of %d: a process may open only %d files here (`ulimit -Hn`).",
            possible,
            wanted,
            limit,
        )
    return possible
