"""Replaces what should not be learned: e-mail addresses, secrets and IP addresses.

Whatever is found is replaced by a tag, as for StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173,
section 3.2), where a model found it. Here patterns do, tuned to leave a file alone in doubt: text
that documents or tests use as an example, operators, versions and placeholders stay. Each pattern
is tried only where a string that it needs is in the text.
"""

import ipaddress
import re
from collections.abc import Callable, Collection
from typing import Any

import numpy
from numpy.typing import NDArray

from tohum.cleaning.scanning import run
from tohum.cleaning.secrets import redact_secrets
from tohum.kernels.compilation import kernel

EMAIL_TAG = "<EMAIL>"
IP_ADDRESS_TAG = "<IP_ADDRESS>"

# From the @ on, since most have no address before them: decorators, scopes of packages.
AFTER_AT = re.compile(
    r"@(?<=[A-Za-z0-9_+-]@)((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5})"
    r"([a-z]{2,12}|[A-Z]{2,12})(?![\w@(\[-]|\.\w|:[\w/~.]|/\w)"
)
BEFORE_AT = re.compile(r"(?:^|[^\w.+%/@$-])([A-Za-z0-9][\w.+%-]{0,63})$", re.ASCII)
LOCAL_CHARACTERS = 65  # RFC 5321, section 4.5.3.1.1: at most 64, and one before them
GENERIC_DOMAINS = {
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "dev",
    "app",
    "eu",
} | {"asia", "email", "online", "site", "tech", "xyz"}
# Two letters are a country (ISO 3166); these are oftener the suffix of a file or a keyword.
NO_COUNTRIES = frozenset({"py", "sh", "so", "cc", "md", "ps", "js", "ts", "rb", "hs", "id", "as"})
# RFC 2606 keeps example.com, .org and .net for documentation; .test and the like are no country.
EXAMPLE = re.compile(r"(?:^|\.)example\.$", re.IGNORECASE)
NO_USERS = frozenset({"git", "hg", "svn"})
NO_HOSTS = (
    "self.",
    "this.",
    "openssh.",
    "ssh.",
    "libssh.",
    "asyncssh.",
)  # names of SSH algorithms: RFC 4250

IPV4 = re.compile(r"\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w.]*\w|-\w)", re.ASCII)
BEFORE_IPV4 = re.compile(r"(?:^|[^\w.-])(\d{1,3})$", re.ASCII)
VERSION = re.compile(r"(?:version|ver|release|v|rev|oid|[=<>~]=)\W{0,5}\d{1,3}$", re.IGNORECASE)
IDENTIFIERS = ([1, 3], [2, 5])  # arcs of ISO's organisations and of the directory (X.660)
# 2000::/3, the global unicast addresses (RFC 4291, section 2.4).
IPV6 = re.compile(r"(?<![\w:.-])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{6,34}(?![\w:.]*\w)", re.ASCII)

IPV4_BYTE, IPV6_BYTE = 1, 2
IPV4_BYTES, IPV6_BYTES = len("1.1.1.1"), len("2001:db8::1")  # of the shortest
BYTES = numpy.zeros(256, numpy.uint8)
BYTES[list(b"0123456789")] = IPV4_BYTE | IPV6_BYTE
BYTES[list(b".")] = IPV4_BYTE
BYTES[list(b"abcdefABCDEF:")] = IPV6_BYTE


def redact(text: str, kinds: Collection[str]) -> tuple[str, dict[str, int]]:
    """Returns the text with what was found of `kinds` ("emails", "secrets", "ip_addresses")
    replaced by <EMAIL>, <KEY> and <IP_ADDRESS>, and how many of each kind that was found.
    """
    counts = {}
    data = numpy.frombuffer(text.encode("utf-8", "surrogatepass"), numpy.uint8)
    for kind, replace in REDACTIONS.items():
        if kind in kinds:
            text, count = replace(text, data)
            if count:
                counts[kind] = count
    return text, counts


def redact_emails(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text without e-mail addresses, and their number."""
    if "@" not in text:
        return text, 0
    spans = []
    for found in AFTER_AT.finditer(text):
        at = found.start()
        before = BEFORE_AT.search(text, max(0, at - LOCAL_CHARACTERS), at)
        if before and _is_address(before[1], found[1], found[2]):
            spans.append((before.start(1), found.end()))
    return _replaced(text, spans, EMAIL_TAG), len(spans)


def _is_address(local: str, domain: str, top: str) -> bool:
    top = top.lower()
    country = len(top) == 2 and top not in NO_COUNTRIES
    return (
        (country or top in GENERIC_DOMAINS)
        and not EXAMPLE.search(domain)
        and local not in NO_USERS
        and not domain.startswith(NO_HOSTS)
    )


def redact_ip_addresses(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text without addresses of machines on the Internet, and their number.

    Private, local, reserved and documentation addresses stay.
    """
    spans = []
    if _holds(data, BYTES, IPV4_BYTE, IPV4_BYTES, ord(".")):
        spans += [span for found in IPV4.finditer(text) if (span := _ipv4(text, found))]
    if _holds(data, BYTES, IPV6_BYTE, IPV6_BYTES, ord(":")):
        spans += [found.span() for found in IPV6.finditer(text) if _is_global(found[0])]
    return _replaced(text, sorted(spans), IP_ADDRESS_TAG), len(spans)


@kernel
def _holds(data: Any, bytes_: Any, kind: int, least: int, separator: int) -> bool:
    """Returns whether a run of bytes of an address has as many separators as one needs, three."""
    end = 0
    while end < len(data):
        index, end = run(data, bytes_, kind, end, least)
        separators = 0
        while index < end:
            separators += data[index] == separator
            index += 1
        if separators >= 3:
            return True
    return False


def _ipv4(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    """Returns the span of the address whose last three numbers were found, if it is a machine's."""
    before = BEFORE_IPV4.search(text, max(0, found.start() - 4), found.start())
    if not before or not _is_machine(before[1] + found[0]):
        return None
    start = before.start(1)
    version = VERSION.search(text, max(0, start - 16), found.start())
    return None if version else (start, found.end())


def _is_machine(address: str) -> bool:
    """Returns whether an IPv4 address can be a machine's, and is no version (5.3.7.52, 40.1.2.0) or
    object identifier (2.5.29.15, 1.3.101.110): of those three numbers are small.
    """
    parts = [int(part) for part in address.split(".")]
    if sorted(parts)[2] < 32 or parts[3] == 0 or parts[:2] in IDENTIFIERS:
        return False
    return _is_global(address)


def _is_global(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def _replaced(text: str, spans: list[tuple[int, int]], tag: str) -> str:
    """Returns the text with the tag in place of each span; they are sorted and apart."""
    pieces, start = [], 0
    for begin, end in spans:
        pieces += [text[start:begin], tag]
        start = end
    return "".join([*pieces, text[start:]]) if spans else text


REDACTIONS: dict[str, Callable[[str, NDArray[numpy.uint8]], tuple[str, int]]] = {
    "secrets": redact_secrets,
    "emails": redact_emails,
    "ip_addresses": redact_ip_addresses,
}
KINDS = tuple(REDACTIONS)
