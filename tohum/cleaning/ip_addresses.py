"""Redacts the addresses of machines on the Internet; versions and object identifiers stay."""

import ipaddress
import re
from typing import Any

import numpy
from numpy.typing import NDArray

from tohum.cleaning.scanning import run
from tohum.cleaning.tagging import replaced
from tohum.kernels.compilation import kernel

IP_ADDRESS_TAG = "<IP_ADDRESS>"

IPV4 = re.compile(r"\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w.]*\w|-\w)", re.ASCII)
BEFORE_IPV4 = re.compile(r"(?:^|[^\w.-])(\d{1,3})$", re.ASCII)
VERSION = re.compile(r"(?:version|ver|release|v|rev|oid|[=<>~]=)\W{0,5}\d{1,3}$", re.IGNORECASE)
IDENTIFIERS = ([1, 3], [2, 5])  # arcs of ISO's organisations and of the directory (X.660)
# 2000::/3, the global unicast addresses (RFC 4291, section 2.4).
IPV6 = re.compile(r"(?<![\w:.-])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{6,34}(?![\w:.]*\w)", re.ASCII)

IPV4_BYTE, IPV6_BYTE = 1, 2
IPV4_BYTES, IPV6_BYTES = len("1.1.1.1"), len("2001:db8::1")  # the shortest
BYTES = numpy.zeros(256, numpy.uint8)
BYTES[list(b"0123456789")] = IPV4_BYTE | IPV6_BYTE
BYTES[list(b".")] = IPV4_BYTE
BYTES[list(b"abcdefABCDEF:")] = IPV6_BYTE


def redact_ip_addresses(text: str, data: NDArray[numpy.uint8]) -> tuple[str, int]:
    """Returns the text without addresses of machines on the Internet, and their number.

    Private, local, reserved and documentation addresses stay.
    """
    spans = []
    if _holds(data, BYTES, IPV4_BYTE, IPV4_BYTES, ord(".")):
        spans += [span for found in IPV4.finditer(text) if (span := _ipv4(text, found))]
    if _holds(data, BYTES, IPV6_BYTE, IPV6_BYTES, ord(":")):
        spans += [found.span() for found in IPV6.finditer(text) if _is_global(found[0])]
    return replaced(text, sorted(spans), IP_ADDRESS_TAG), len(spans)


@kernel
def _holds(data: Any, bytes_: Any, kind: int, least: int, separator: int) -> bool:
    """Returns whether a run of an address's bytes has the three separators of an address."""
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
    """Returns whether an IPv4 address can be a machine's: versions (5.3.7.52, 40.1.2.0) and object
    identifiers (2.5.29.15, 1.3.101.110) have three small numbers.
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
