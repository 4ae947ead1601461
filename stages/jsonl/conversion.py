"""One pass over the raw files: each one becomes a record or a line in dropped.jsonl, in input
order.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from stages.config import Jsonl
from stages.errors import UserError
from stages.jsonl.text import Undecodable, decode, normalise
from stages.raw import RawFile, read_raw
from stages.records import Shard, ShardWriter
from stages.workdir import (
    atomic_write,
    file_sha256,
    fresh,
    open_workdir,
    publish,
    work_key,
    write_json,
)

UNDECODABLE = "undecodable"
DUPLICATE = "duplicate"

log = logging.getLogger(__name__)


def convert(config: Jsonl, raw: Path, out: Path, metrics: Path) -> None:
    """Writes the records of `raw` to `out` and the counts to `metrics`.

    Raises:
        UserError: no record is left, or too many files cannot be decoded.
    """
    manifest = raw / "manifest.jsonl"
    with open_workdir("jsonl", work_key("jsonl", [config], [manifest])) as work:
        finished = fresh(work / "jsonl")
        dropped: Counter[str] = Counter()
        content_bytes = 0
        with (
            ShardWriter(finished, config.shard_bytes, config.compression) as shards,
            atomic_write(finished / "dropped.jsonl", "w") as dropped_lines,
        ):
            for file, reason, content in _judge(raw, config):
                if reason:
                    dropped[reason] += 1
                    line = {"path": file.path, "repo": file.repo, "id": file.id, "reason": reason}
                    dropped_lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                    continue
                content_bytes += len(content.encode())
                shards.write(_record(file, content))
        counts = _counts(shards.shards, content_bytes, dropped)
        _check_counts(counts, dropped, config)
        provenance = {
            "raw_manifest_sha256": file_sha256(manifest),
            "shards": [asdict(shard) for shard in shards.shards],
        }
        write_json(finished / "manifest.json", provenance)
        publish(finished, out)
        write_json(metrics, counts)
    log.info(
        "%d documents, %.1f MB; dropped: %s",
        counts["documents"],
        content_bytes / 1e6,
        dict(dropped) or "none",
    )


def _judge(raw: Path, config: Jsonl) -> Iterator[tuple[RawFile, str, str]]:
    """Yields every raw file with the reason to drop it, or with an empty reason and its text."""
    seen: set[bytes] = set()
    for file, content in read_raw(raw):
        try:
            text = normalise(decode(content, is_python=file.path.endswith((".py", ".pyi"))))
        except Undecodable:
            yield file, UNDECODABLE, ""
            continue
        encoded = text.encode()
        digest = hashlib.sha256(encoded).digest()
        if len(encoded) < config.min_bytes:
            yield file, "shorter than min_bytes", ""
        elif len(encoded) > config.max_bytes:
            yield file, "longer than max_bytes", ""
        elif digest in seen:
            yield file, DUPLICATE, ""
        else:
            seen.add(digest)
            yield file, "", text


def _record(file: RawFile, content: str) -> dict[str, str | None]:
    return {
        "content": content,
        "id": file.id,
        "source": file.source,
        "path": file.path,
        "repo": file.repo,
        "license": file.license,
    }


def _counts(shards: list[Shard], content_bytes: int, dropped: Counter[str]) -> dict[str, object]:
    documents = sum(shard.documents for shard in shards)
    return {
        "files": documents + dropped.total(),
        "documents": documents,
        "bytes": content_bytes,
        "shards": len(shards),
        "dropped": dict(sorted(dropped.items())),
    }


def _check_counts(counts: dict[str, object], dropped: Counter[str], config: Jsonl) -> None:
    files = int(str(counts["files"]))
    if not counts["documents"]:
        raise UserError(
            f"the corpus is empty: of {files} files none made a record (dropped: {dict(dropped)}). "
            "Check the source, "
            "jsonl.min_bytes and jsonl.max_bytes."
        )
    share = dropped[UNDECODABLE] / files
    if share > config.max_unreadable_share:
        raise UserError(
            f"{dropped[UNDECODABLE]} of {files} files ({share:.1%}) cannot be decoded, more than "
            f"jsonl.max_unreadable_share ({config.max_unreadable_share:.1%}) allows. They are "
            "neither UTF-8 nor in an "
            "encoding that they declare. Convert them, leave them out of the source, or raise the "
            "share."
        )
