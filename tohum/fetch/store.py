"""Software Heritage's content store: how a blob is kept there, and how it proves itself.

Each blob is one gzip member under the SHA-1 of its raw bytes
(https://docs.softwareheritage.org/user/using_data/). The bucket is public.
"""

import hashlib
import logging
import os
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

import certifi
from isal import isal_zlib
from isal.igzip_lib import IsalError

from tohum.fetch.http_connection import Endpoint
from tohum.fetch.pool import Fetcher
from tohum.fetch.requests_threads import RequestsThreads
from tohum.fetch.retries import Judge, Lost
from tohum.fetch.store_loop import StoreLoop

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WBITS = 31  # zlib: one gzip member with a 32 KiB window
EMPTY_SHA1 = hashlib.sha1(b"").hexdigest()  # any store has an answer for it, if only a 404

log = logging.getLogger(__name__)


def check_blob(blob_id: str, body: bytes) -> bytes:
    """Returns the raw bytes of a stored blob: of one gzip member, or the bytes themselves.

    Raises:
        ValueError: they do not have the SHA-1 that is their name.
    """
    content = body
    if body.startswith(GZIP_MAGIC):
        try:
            content = isal_zlib.decompress(body, GZIP_WBITS)
        except IsalError as error:  # type: ignore[misc]  # the stub lacks its base
            if hashlib.sha1(body).hexdigest() == blob_id:
                return body
            raise ValueError(f"damaged gzip: {error}") from None
    found = hashlib.sha1(content).hexdigest()
    if found == blob_id:
        return content
    if content is not body and hashlib.sha1(body).hexdigest() == blob_id:
        return body  # a gzip file that is stored as it is
    raise ValueError(f"SHA-1 {found}")


def store_fetcher(
    url: str,
    connections: int,
    timeout: float,
    judge: Judge,
    work: Callable[[Any, bytes | Lost], tuple[int, bytes]],
) -> Fetcher:
    """Returns what fetches rows by their `id` from the store at `url`.

    Raises:
        UserError: it is not an http or https URL.
    """
    endpoint = Endpoint(url)

    def check(row: Any, body: bytes) -> bytes:
        return check_blob(row["id"], body)

    proxy = urllib.request.getproxies().get("https" if endpoint.secure else "http")
    if proxy and not urllib.request.proxy_bypass(endpoint.host):
        log.info("a proxy is set: fetching through requests, which is slower")
        base = url.rstrip("/") + "/"
        return RequestsThreads(
            connections, timeout, judge, lambda row: base + row["id"], check, work
        )
    context = None
    if endpoint.secure:
        bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
        context = ssl.create_default_context(cafile=bundle or certifi.where())
    return StoreLoop(
        endpoint,
        context,
        connections,
        timeout,
        judge,
        lambda row: str(row["id"]),
        check,
        work,
        probe=EMPTY_SHA1,
    )
