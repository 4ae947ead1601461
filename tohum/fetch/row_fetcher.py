"""The fetcher of rows' contents, and what a journal says of each row."""

import hashlib
from typing import Any

from tohum.config.runtime import Runtime
from tohum.fetch.assembly import KINDS
from tohum.fetch.http_fetcher import HttpFetcher
from tohum.fetch.retries import Lost, NewThrottle
from tohum.fetch.selection import key_of
from tohum.fetch.store import store_fetcher, url_fetcher
from tohum.fetch.stored import KEPT_KIND
from tohum.formats.outcomes import CORRUPT, UNREACHABLE

# What a faulty network may have decided: the next run asks again. A proxy can spoil every body.
OPEN_KINDS = frozenset(KINDS.index(outcome) for outcome in (UNREACHABLE, CORRUPT))


def row_fetcher(content: str, runtime: Runtime, throttle: NewThrottle | None = None) -> HttpFetcher:
    """Returns the fetcher for the place where the rows' contents are.

    Args:
        content: software_heritage or url.
    """
    if content == "url":
        return url_fetcher(runtime, _check_url, _result, throttle)
    return store_fetcher(runtime, _result, throttle)


def _check_url(row: dict[str, Any], body: bytes) -> bytes:
    """Returns the body; if the row has an id, its SHA-1 must be that."""
    found = hashlib.sha1(body).hexdigest()
    if (row.get("id") or found) != found:
        raise ValueError(f"SHA-1 {found}")
    return body


def _result(row: dict[str, Any], content: bytes | Lost) -> tuple[int, bytes]:
    """Returns the kind and payload of one row for the journal: its key and its content."""
    if isinstance(content, Lost):
        return KINDS.index(content.outcome), content.detail.encode()
    return KEPT_KIND, key_of(row) + content
