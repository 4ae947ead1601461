"""Counts pretokens, one shard a process, and adds the counts up in one sorted table.

The order of the table and its counts don't depend on the number of workers or on the order of
shards.
"""

import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import regex
from tokenizers import Regex

from stages.config import Pretokenizer, Runtime
from stages.errors import UserError
from stages.pretokens.table import write_table
from stages.records import read_records, shard_paths
from stages.workdir import file_sha256, fresh, open_workdir, publish, work_key

log = logging.getLogger(__name__)


def count_corpus(config: Pretokenizer, runtime: Runtime, jsonl: Path, out: Path) -> None:
    """Writes the (pretoken, count) table of all documents in `jsonl` to `out`.

    Raises:
        UserError: the pattern is not a regular expression, or does not match every character.
    """
    _compile(config.pattern)
    manifest = jsonl / "manifest.json"
    with open_workdir("pretokens", work_key("pretokens", [config], [manifest])) as work:
        counts = _count_shards(shard_paths(jsonl), config, runtime.workers)
        finished = fresh(work / "pretokens")
        facts = {"pattern": config.pattern, "jsonl_manifest_sha256": file_sha256(manifest)}
        write_table(finished, counts, facts)
        publish(finished, out)
    log.info("%d pretokens, %d of them different", counts.total(), len(counts))


def _count_shards(paths: list[Path], config: Pretokenizer, workers: int) -> Counter[bytes]:
    count = partial(count_shard, pattern=config.pattern, max_bytes=config.max_pretoken_bytes)
    workers = min(workers, len(paths))
    if workers == 1:
        return _total(map(count, paths))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return _total(pool.map(count, paths))


def _total(counts: Iterable[Counter[bytes]]) -> Counter[bytes]:
    total: Counter[bytes] = Counter()
    for part in counts:
        total.update(part)
    return total


def count_shard(path: Path, pattern: str, max_bytes: int) -> Counter[bytes]:
    """Returns how often each pretoken (UTF-8, at most `max_bytes` bytes) occurs in a shard."""
    split = _compile(pattern).findall
    words: Counter[str] = Counter()
    characters = 0
    for record in read_records(path):
        words.update(split(record["content"]))
        characters += len(record["content"])
    matched = sum(len(word) * count for word, count in words.items())
    if matched != characters:
        raise UserError(
            f"pretokenizer.pattern matches {matched} of the {characters} characters of {path}; "
            "every one must belong to a pretoken. Add an alternative for the rest, such as |\\s+ "
            "at the end."
        )
    counts: Counter[bytes] = Counter()
    for word, count in words.items():
        encoded = word.encode()
        for start in range(0, len(encoded), max_bytes):
            counts[encoded[start : start + max_bytes]] += count
    return counts


def _compile(pattern: str) -> "regex.Pattern[str]":
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise UserError(f"pretokenizer.pattern is not a regular expression: {error}") from None
    try:
        Regex(pattern)
    except Exception as error:  # tokenizers raises no class of its own
        raise UserError(
            f"pretokenizer.pattern is not one that tokenizers can read ({error}): write it "
            "without what Oniguruma, its engine, doesn't know."
        ) from None
    if compiled.groups:
        raise UserError(
            "pretokenizer.pattern has capturing groups: write (?:...) in place of (...)."
        )
    return compiled
