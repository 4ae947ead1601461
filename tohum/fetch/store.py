"""Software Heritage's content store: how a blob is stored there, and how it is verified.

Each blob is one gzip member under the SHA-1 of its raw bytes
(https://docs.softwareheritage.org/user/using_data/). The bucket is public.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from tohum.config.runtime import Runtime
from tohum.fetch.addresses import StoreAddress
from tohum.fetch.answers import NotAnAddress, TooLarge
from tohum.fetch.gzip_members import MAGIC, gunzip, log_garbage
from tohum.fetch.handles import Limits
from tohum.fetch.http_fetcher import HttpFetcher, Probe
from tohum.fetch.retries import Lost, NewThrottle, RetryPolicy
from tohum.fetch.row_rules import SHA1

EMPTY_SHA1 = hashlib.sha1(b"").hexdigest()  # any store answers for it, if only with a 404
MOST_LAYERS = 2  # of gzip: the store's, and one that a server adds as Content-Encoding

Work = Callable[[Any, bytes | Lost], tuple[int, bytes]]
Check = Callable[[Any, bytes], bytes]


def check_blob(blob_id: str, body: bytes, largest: int) -> bytes:
    """Returns the raw bytes of a stored blob: the content of its gzip members, or the bytes
    themselves.

    Raises:
        ValueError: they do not have the SHA-1 that is their name.
        TooLarge: they decompress to more than `largest` bytes.
    """
    content, problem = body, ""
    for _ in range(MOST_LAYERS):
        if not content.startswith(MAGIC):
            break
        try:
            content, garbage = gunzip(content, largest)
        except (ValueError, TooLarge) as error:
            if hashlib.sha1(body).hexdigest() == blob_id:
                return body
            if content is body:
                raise
            problem = str(error)
            break
        found = hashlib.sha1(content).hexdigest()
        if found == blob_id:
            if garbage:
                log_garbage(blob_id, garbage)
            return content
        problem = problem or f"SHA-1 {found}"
    found = hashlib.sha1(body).hexdigest()
    if found == blob_id:
        return body  # a gzip file that is stored as is
    raise ValueError(problem or f"SHA-1 {found}")


def store_fetcher(runtime: Runtime, work: Work, throttle: NewThrottle | None = None) -> HttpFetcher:
    """Returns a fetcher of rows by their `id` from the store at runtime.content_url.

    Raises:
        UserError: that is not an http or https URL.
    """
    address = StoreAddress(runtime.content_url)
    largest = runtime.largest_blob_bytes

    def url(row: Any) -> str:
        if not SHA1.fullmatch(row["id"] or ""):
            raise NotAnAddress("the id is not a SHA-1 of 40 hexadecimal digits")
        return address.url(row["id"])

    def check(row: Any, body: bytes) -> bytes:
        return check_blob(row["id"], body, largest)

    probe = Probe(address.url(EMPTY_SHA1), lambda body: check_blob(EMPTY_SHA1, body, largest))
    return HttpFetcher(
        limits(runtime), policy(runtime), url, check, work, probe=probe, throttle=throttle
    )


def url_fetcher(
    runtime: Runtime, check: Check, work: Work, throttle: NewThrottle | None = None
) -> HttpFetcher:
    """Returns a fetcher of rows by their `url`, each from its own host.

    Args:
        check: returns the wanted bytes of a row's body. ValueError: it is the wrong body.
    """

    def url(row: Any) -> str:
        return str(row["url"])

    return HttpFetcher(
        limits(runtime), policy(runtime), url, check, work, compressed=True, throttle=throttle
    )


def limits(runtime: Runtime) -> Limits:
    """Returns the limits of a transfer."""
    return Limits(runtime.connections, runtime.timeout_seconds, runtime.largest_blob_bytes)


def policy(runtime: Runtime) -> RetryPolicy:
    """Returns how often and for how long to retry."""
    return RetryPolicy(patience=runtime.patience_seconds)
