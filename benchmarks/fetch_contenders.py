"""The ways to fetch many files that benchmarks/fetch.py compares, each doing all the work.

Each takes the store's URL, the ids and an empty directory, gets ready, and returns a function that
does the work and returns how many blobs it fetched.
"""

import asyncio
import hashlib
import json
import os
import queue
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from io import BufferedWriter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

CONNECTIONS = 384  # as in conf/runtime.yaml
THREADS = 32
TUTORIAL_BLOBS = 1500  # not all of them: it is by far the slowest
SESSION_BLOBS = 4000
OUT = "out.jsonl"
CONF = Path(__file__).parent.parent / "conf"
Get = Callable[[str], bytes]
Work = Callable[[], int]


def finish(blob_id: str, body: bytes, out: BufferedWriter, done: "deque[str]") -> None:
    """The plain work on one body: gunzip, verify, decode, write a line, and count it as done."""
    content = zlib.decompress(body, 31)
    assert hashlib.sha1(content).hexdigest() == blob_id
    record = {"content": content.decode(), "id": blob_id}
    out.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    done.append(blob_id)


def in_threads(ids: list[str], threads: int, make_get: Callable[[], Get], work: Path) -> int:
    """Fetches all ids in threads, each with its own `get`, and writes the lines."""
    waiting, done = deque(ids), deque[str]()

    def run(out: BufferedWriter) -> None:
        get = make_get()
        while True:
            try:
                blob_id = waiting.popleft()
            except IndexError:
                return
            finish(blob_id, get(blob_id), out, done)

    with (work / OUT).open("wb") as out:
        run_threads(lambda: run(out), threads)
    return len(done)


def run_threads(run: Callable[[], None], count: int) -> None:
    """Runs a function in several threads and waits for them."""
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tutorial(url: str, ids: list[str], work: Path) -> Work:
    """One `requests.get` per blob, in threads."""
    import requests

    def make_get() -> Get:
        return lambda blob_id: requests.get(url + blob_id, timeout=60).content

    return lambda: in_threads(ids[:TUTORIAL_BLOBS], THREADS, make_get, work)


def requests_sessions(url: str, ids: list[str], work: Path) -> Work:
    """A `requests` session in each thread."""
    import requests

    def make_get() -> Get:
        session = requests.Session()
        return lambda blob_id: session.get(url + blob_id, timeout=60).content

    return lambda: in_threads(ids[:SESSION_BLOBS], THREADS, make_get, work)


def aiohttp_client(url: str, ids: list[str], work: Path) -> Work:
    """aiohttp, with many concurrent requests."""
    import aiohttp

    waiting, done = deque(ids), deque[str]()

    async def run(out: BufferedWriter) -> None:
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

            async def worker() -> None:
                while waiting:
                    blob_id = waiting.popleft()
                    async with session.get(url + blob_id) as answer:
                        finish(blob_id, await answer.read(), out, done)

            await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))

    def start() -> int:
        with (work / OUT).open("wb") as out:
            asyncio.run(run(out))
        return len(done)

    return start


def obstore_client(url: str, ids: list[str], work: Path) -> Work:
    """obstore, a client in Rust, with many concurrent requests."""
    import obstore
    from obstore.store import HTTPStore

    waiting, done = deque(ids), deque[str]()

    async def run(out: BufferedWriter) -> None:
        store = HTTPStore.from_url(url, client_options={"allow_invalid_certificates": True})

        async def worker() -> None:
            while waiting:
                blob_id = waiting.popleft()
                answer = await obstore.get_async(store, blob_id)
                finish(blob_id, bytes(await answer.bytes_async()), out, done)

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))

    def start() -> int:
        with (work / OUT).open("wb") as out:
            asyncio.run(run(out))
        return len(done)

    return start


def bare_client(url: str, ids: list[str], work: Path) -> Work:
    """This project's client, only downloading."""
    from tohum.fetch.handles import Limits
    from tohum.fetch.http_fetcher import HttpFetcher
    from tohum.fetch.pool import Segment, Task
    from tohum.fetch.retries import Lost, RetryPolicy

    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    for blob_id in ids:
        tasks.put((Segment(0, {}), 0, blob_id))
    came = 0

    def done(task: Task, kind: int, payload: bytes) -> None:
        nonlocal came
        came += kind
        if came == len(ids):
            tasks.put(None)

    def work_on(row: str, content: bytes | Lost) -> tuple[int, bytes]:
        assert isinstance(content, bytes)
        return 1, b""

    fetcher = HttpFetcher(
        Limits(CONNECTIONS, timeout=20, largest=200_000_000),
        RetryPolicy(),
        url=lambda blob_id: url + blob_id,
        check=lambda row, body: body,
        work=work_on,
    )

    def start() -> int:
        fetcher.run(tasks, done)
        return came

    return start


def this_project(url: str, ids: list[str], work: Path, rows: int = 0) -> Work:
    """All the work of the stage download, from `rows` parquet rows over the ids to archives."""
    write_rows(work / "ids.parquet", ids, rows or len(ids))

    def start() -> int:
        fetched = fetch_rows(url, work / "ids.parquet", work / "raw")
        assert fetched == len(ids), fetched
        return fetched

    return start


def fetch_rows(url: str, rows: Path, out: Path, **runtime: Any) -> int:
    """Fetches the files that the rows name into archives in `out`; returns how many it got."""
    from tohum.config.runtime import load_runtime
    from tohum.fetch.config import RULES, RowRules
    from tohum.fetch.contents import fetch_contents
    from tohum.fetch.selection import FileRows
    from tohum.fetch.stored import Stored

    columns = {"id": "blob_id", "path": "path"}
    written = fetch_contents(
        FileRows([rows], columns, "software_heritage", "bench/ids"),
        RowRules(**{rule: off for rule, (_, off) in RULES.items()}),
        replace(
            load_runtime(CONF / "runtime.yaml"),
            content_url=url,
            connections=CONNECTIONS,
            progress=False,
            **runtime,
        ),
        out.parent / "notes",
        out,
        Stored(out.parent / "notes" / "stored", [], []),
    )
    return written.files


def write_rows(path: Path, ids: list[str], rows: int) -> None:
    """Writes `rows` rows over the ids, in one row group, like a dataset on the Hub."""
    repeated = pyarrow.array(ids).take(pyarrow.array([number % len(ids) for number in range(rows)]))
    paths = pyarrow.array([f"/src/{number}.py" for number in range(rows)])
    table = pyarrow.table({"blob_id": repeated, "path": paths})
    pyarrow.parquet.write_table(table, path, row_group_size=rows)


MODULES = {"aiohttp, 384 at once": "aiohttp", "obstore, 384 at once": "obstore"}
CONTENDERS: dict[str, Callable[[str, list[str], Path], Work]] = {
    "requests.get, 32 threads (the tutorial)": tutorial,
    "requests sessions, 32 threads": requests_sessions,
    "aiohttp, 384 at once": aiohttp_client,
    "obstore, 384 at once": obstore_client,
    "bare client, 384 at once, download only": bare_client,
    "this project": this_project,
}
