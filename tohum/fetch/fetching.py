"""From rows of ids to records: filter, fetch, verify, decode, and write in input order, resumably.

What is left in the work directory by a run that was killed: `plan.npz` (the first pass over the
rows), the journals of the segments in hand, finished shards, and `assembled.json`, which says up to
which row the shards go. Nothing in it depends on the order in which blobs arrived.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from stages.jsonl.config import Jsonl
from stages.jsonl.rows import ROWS
from stages.jsonl.text import Undecodable, decode, normalise
from tohum.config.runtime import Runtime
from tohum.fetch.assembly import KINDS, SIZE_BYTES, Assembler
from tohum.fetch.inline import InlineContents
from tohum.fetch.plan import IdRows, Plan, make_plan, segments
from tohum.fetch.pool import Fetcher, Pool
from tohum.fetch.retries import Lost
from tohum.fetch.store import store_fetcher, url_fetcher
from tohum.formats.outcomes import KEPT, TOO_LONG, TOO_SHORT, UNDECODABLE, UNREACHABLE, Totals
from tohum.progress import progress_bar

log = logging.getLogger(__name__)


def convert_rows(config: Jsonl, runtime: Runtime, raw: Path, work: Path, out: Path) -> Totals:
    """Writes the records of a Hub dataset to `out`, a directory in `work`, going on where it was.

    Raises:
        UserError: the store can't be reached, or more blobs are lost than the configuration allows.
    """
    rows = IdRows.read(raw)
    plan = make_plan(rows, config, work)
    log.info(
        "%d rows, %d to take (%.1f MB where sizes are known)",
        plan.rows,
        plan.wanted,
        plan.bytes / 1e6,
    )
    out.mkdir(exist_ok=True)
    journals = work / "journals"
    journals.mkdir(exist_ok=True)
    assembler = Assembler(work, out, config)
    fetcher = _fetcher(rows, config, runtime)
    ahead = max(4 * runtime.connections, 4 * ROWS)
    pool = Pool(fetcher, journals, ahead, open_kinds={KINDS.index(UNREACHABLE)})
    coming = segments(rows, config, plan, assembler.state.segment)
    with pool.running(), _progress(plan, pool, assembler, runtime) as show:
        for segment in pool.results(coming):
            assembler.add(segment)
            show()
    return assembler.finish()


@contextmanager
def _progress(
    plan: Plan, pool: Pool, assembler: Assembler, runtime: Runtime
) -> Iterator[Callable[[], None]]:
    """Shows files and megabytes a second, lost files and the time left."""
    with progress_bar("fetch", "file", runtime.progress, total=plan.wanted) as bar:

        def show() -> None:
            counters = pool.counters
            seconds = max(0.001, bar.format_dict["elapsed"])
            speed = f"{counters.bytes / 1e6 / seconds:.1f} MB/s"
            bar.set_postfix_str(f"{speed}, {assembler.lost} lost", refresh=False)
            bar.update(counters.rows - bar.n)

        yield show


def _fetcher(rows: IdRows, config: Jsonl, runtime: Runtime) -> Fetcher:
    """Returns what turns rows into results, from where their contents are."""
    work = partial(_result, rows, config)
    if rows.content == "inline":
        return InlineContents(work)
    if rows.content == "url":
        return url_fetcher(runtime, _check_url, work)
    return store_fetcher(runtime, work)


def _check_url(row: dict[str, Any], body: bytes) -> bytes:
    """Returns the body; where the row has an id, that is the SHA-1 of it."""
    found = hashlib.sha1(body).hexdigest()
    if row.get("id") not in (None, found):
        raise ValueError(f"SHA-1 {found}")
    return body


def _result(
    rows: IdRows, config: Jsonl, row: dict[str, Any], content: bytes | Lost
) -> tuple[int, bytes]:
    """Returns the kind and payload of one row, for the journal."""
    if isinstance(content, Lost):
        return KINDS.index(content.outcome), content.detail.encode()
    encoding = "utf-8" if rows.content == "inline" else row.get("encoding")
    try:
        text = normalise(decode(content, encoding, str(row.get("path") or "")))
    except Undecodable as error:
        return KINDS.index(UNDECODABLE), str(error).encode()
    size = len(text) if text.isascii() else len(text.encode())
    if size < config.min_bytes:
        return KINDS.index(TOO_SHORT), b""
    if size > config.max_bytes:
        return KINDS.index(TOO_LONG), b""
    record = {
        "content": text,
        "id": row.get("id") or hashlib.sha1(content).hexdigest(),
        "source": rows.dataset,
        "path": (row.get("path") or row.get("url") or "").lstrip("/"),
        "repo": row.get("repo"),
        "license": row.get("license"),
    }
    line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    return KINDS.index(KEPT), size.to_bytes(SIZE_BYTES, "little") + line
