"""Raw files that are on this machine, in archives: one pass, in input order."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import orjson

from stages.config import Jsonl
from stages.jsonl.text import Undecodable, decode, normalise
from stages.outcomes import DUPLICATE, KEPT, TOO_LONG, TOO_SHORT, UNDECODABLE, Totals
from stages.raw import RawFile, read_raw
from stages.records import ShardWriter
from stages.workdir import atomic_write, fresh


def convert_archives(config: Jsonl, raw: Path, out: Path) -> Totals:
    """Writes each file of `raw` as a record to the shards in `out`, or to dropped.jsonl there."""
    fresh(out)
    totals = Totals()
    with (
        ShardWriter(out, config.shard_bytes, config.compression) as shards,
        atomic_write(out / "dropped.jsonl") as dropped,
    ):
        for file, outcome, content in _judge(raw, config):
            if outcome == KEPT:
                totals.bytes += len(content.encode())
                shards.write(_record(file, content))
                continue
            totals.dropped[outcome] += 1
            line = {"path": file.path, "repo": file.repo, "id": file.id, "reason": outcome}
            dropped.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    totals.shards = shards.shards
    return totals


def _judge(raw: Path, config: Jsonl) -> Iterator[tuple[RawFile, str, str]]:
    """Yields every raw file with its outcome and, when it is kept, its text."""
    seen: set[bytes] = set()
    for file, content in read_raw(raw):
        try:
            text = normalise(decode(content, None, file.path))
        except Undecodable:
            yield file, UNDECODABLE, ""
            continue
        encoded = text.encode()
        digest = hashlib.sha256(encoded).digest()
        if len(encoded) < config.min_bytes:
            yield file, TOO_SHORT, ""
        elif len(encoded) > config.max_bytes:
            yield file, TOO_LONG, ""
        elif digest in seen:
            yield file, DUPLICATE, ""
        else:
            seen.add(digest)
            yield file, KEPT, text


def _record(file: RawFile, content: str) -> dict[str, str | None]:
    return {
        "content": content,
        "id": file.id,
        "source": file.source,
        "path": file.path,
        "repo": file.repo,
        "license": file.license,
    }
