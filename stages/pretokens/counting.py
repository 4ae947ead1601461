"""Counts the pretokens of each shard into sorted runs on disk, and merges them into one table.

The work directory holds `<shard>/` with the shard's runs `<n>.run` and their mark `facts.json`; it
appears whole. `ranges/` holds the runs that those were merged into. A stage that was killed resumes
after the shards already counted and the ranges already merged. The table is the same for any number
of workers, order of shards and `max_memory`.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import regex
from tokenizers import Regex

from stages.pretokens.config import Pretokenizer, bytes_of
from tohum.cluster import Advance, StageTasks, Task, Work, joined, run
from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.files import atomic_folder, file_sha256, fresh, publish
from tohum.foresight import foretell
from tohum.formats.pretoken_table import PretokenRows, rows_of, write_table
from tohum.formats.records import ListedShard, listed_shards, marked_texts, read_records
from tohum.marks import read_mark, write_mark
from tohum.pretokenization.classes import classes
from tohum.pretokenization.patterns import KNOWN_PATTERNS
from tohum.progress import progress_bar
from tohum.workdir import open_workdir, work_key

WORD_BYTES = 256  # of memory for a word in a Counter, on average
WORDS_PER_BATCH = 4096
FACTS = "facts.json"
RANGES = "ranges"  # the folder of the merged runs
WORKER_BYTES = 300_000_000  # of memory besides the table

log = logging.getLogger(__name__)


def count_corpus(config: Pretokenizer, runtime: Runtime, jsonl: Path, out: Path) -> None:
    """Writes the (pretoken, count) table of the documents in `jsonl`, or a share of them, to `out`.

    Raises:
        UserError: the pattern is not a regular expression, or does not match every character.
    """
    from stages.pretokens.range_merging import merge_ranges
    from stages.pretokens.runs import read_run

    _compile(config.pattern)
    manifest, listed = jsonl / "manifest.json", listed_shards(jsonl)
    what_counts = replace(config, max_memory="")
    with open_workdir("pretokens", work_key("pretokens", [what_counts], [manifest])) as work:
        foretell("pretokens", sum(each.path.stat().st_size for each in listed))
        with joined(runtime):
            shards = _count_shards(listed, config, runtime, work)
            runs = [
                work / each.path.name / name
                for each, shard in zip(listed, shards, strict=True)
                for name in shard["runs"]
            ]
            merged = merge_ranges(runs, work / RANGES, runtime)
        facts = {"pattern": config.pattern, "jsonl_manifest_sha256": file_sha256(manifest)}
        if config.sample_share < 1:
            facts |= _sample_facts(config, shards)
        finished = fresh(work / "pretokens")
        meta = write_table(finished, chain.from_iterable(map(read_run, merged)), facts)
        publish(finished, out)
    log.info("%d pretokens, %d of them different", meta["pretokens"], meta["different_pretokens"])


def _sample_facts(config: Pretokenizer, shards: list[dict[str, Any]]) -> dict[str, Any]:
    taken = sum(shard["taken"] for shard in shards)
    documents = sum(shard["documents"] for shard in shards)
    log.info("a sample: %d of %d documents", taken, documents)
    return {
        "sample_share": config.sample_share,
        "sampled_documents": taken,
        "documents": documents,
    }


@dataclass(frozen=True)
class ShardCounter:
    """What counting any shard needs: the section, the work directory, and how many bytes of memory
    a table may take.
    """

    config: Pretokenizer
    work: Path
    max_bytes: int

    def count(self, shard: ListedShard, advance: Advance) -> dict[str, Any]:
        """Counts the pretokens of a shard, unless that is done; returns the names of its runs, how
        many documents it has, and how many were taken.
        """
        folder = self.work / shard.path.name
        facts = read_mark(folder / FACTS)
        if facts is None:
            shard.check()
            facts = count_shard(shard.path, self.config, folder, self.max_bytes)
        advance(shard.path.stat().st_size)
        return facts


def make_counter(counter: ShardCounter) -> Work:
    """Returns what counts a shard."""
    if counter.config.pattern in KNOWN_PATTERNS:
        classes()  # once, not in every thread at the same time
    return counter.count


def _count_shards(
    listed: list[ListedShard], config: Pretokenizer, runtime: Runtime, work: Path
) -> list[dict[str, Any]]:
    """Counts the shards not counted yet; returns the facts of all, in order."""
    max_bytes = bytes_of(config.max_memory) // min(runtime.workers, len(listed))
    job = StageTasks(
        "pretokens",
        work,
        make_counter,
        ShardCounter(config, work, max_bytes),
        max_bytes + WORKER_BYTES,
        threads=config.pattern in KNOWN_PATTERNS,
    )
    total = sum(each.path.stat().st_size for each in listed)
    tasks = (Task(shard.path.name, shard) for shard in listed)
    with progress_bar("pretokens", "B", runtime.progress, unit_scale=True, total=total) as bar:
        return list(run(job, tasks, runtime, bar))


def count_shard(path: Path, config: Pretokenizer, folder: Path, max_bytes: int) -> dict[str, Any]:
    """Counts the pretokens of a shard in about `max_bytes` bytes of memory; returns the names of
    its runs in `folder`, how many documents it has, and how many were taken.
    """
    from stages.pretokens.runs import write_run

    sample = _Sample(path, config.sample_share)
    count = _count_by_kernel if config.pattern in KNOWN_PATTERNS else _count_by_regex
    names: list[str] = []
    with atomic_folder(folder) as made:
        for table in count(sample, config, max_bytes):
            names.append(f"{len(names)}.run")
            write_run(made / names[-1], table)
        facts = {"runs": names, "documents": sample.documents, "taken": sample.taken}
        write_mark(made / FACTS, [made / name for name in names], facts, sync=False)
    return facts


class _Sample:
    """The texts of those documents of a shard whose hashed id is below the share, whatever the
    order of the documents.
    """

    def __init__(self, path: Path, share: float) -> None:
        self.path, self.share = path, share
        self.documents = self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for record in read_records(self.path):
            self.documents += 1
            if self.share < 1 and not is_sampled(record["id"], self.share):
                continue
            self.taken += 1
            for part in marked_texts(record):
                yield part.text


def is_sampled(id: str, share: float) -> bool:
    """Whether the document with this id is in a sample. The hash is not the one that holds out
    validation documents, so a sample contains its share of both splits.
    """
    digest = sha256(b"pretokens\0" + id.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _count_by_kernel(
    texts: Iterable[str], config: Pretokenizer, max_bytes: int
) -> Iterator[Iterable[PretokenRows]]:
    """Yields sorted tables that add up to the count."""
    from stages.pretokens.counter import PretokenCounter

    counter = PretokenCounter(
        KNOWN_PATTERNS[config.pattern], classes(), config.max_pretoken_bytes, max_bytes
    )
    for text in texts:
        yield from counter.add(text.encode())
    yield counter.drain()


def _count_by_regex(
    sample: _Sample, config: Pretokenizer, max_bytes: int
) -> Iterator[Iterable[PretokenRows]]:
    """Yields sorted tables that add up to the count, for a pattern no kernel knows."""
    split = _compile(config.pattern).findall
    counts: Counter[bytes] = Counter()
    characters = matched = 0
    for text in sample:
        words = split(text)
        characters += len(text)
        matched += sum(map(len, words))
        if matched != characters:
            raise UserError(
                f"pretokenizer.pattern matches {matched} of the {characters} characters of "
                f"{sample.path} up to document {sample.taken}; every one must belong to a "
                "pretoken. Add an alternative for the rest, such as |\\s+ at the end."
            )
        counts.update(_pieces(words, config.max_pretoken_bytes))
        if len(counts) * WORD_BYTES > max_bytes:
            yield _batches(counts)
            counts = Counter()
    yield _batches(counts)


def _pieces(words: list[str], max_bytes: int) -> Iterator[bytes]:
    for word in words:
        encoded = word.encode()
        for start in range(0, len(encoded), max_bytes):
            yield encoded[start : start + max_bytes]


def _batches(counts: Counter[bytes]) -> Iterator[PretokenRows]:
    rows = sorted(counts.items())
    for first in range(0, len(rows), WORDS_PER_BATCH):
        yield rows_of(rows[first : first + WORDS_PER_BATCH])


def _compile(pattern: str) -> "regex.Pattern[str]":
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise UserError(f"pretokenizer.pattern is not a regular expression: {error}") from None
    try:
        Regex(pattern)
    except Exception as error:  # tokenizers has no exception class of its own
        raise UserError(
            f"tokenizers can't read pretokenizer.pattern ({error}): write it without what its "
            "engine, Oniguruma, doesn't support."
        ) from None
    if compiled.groups:
        raise UserError(
            "pretokenizer.pattern has capturing groups: write (?:...) instead of (...)."
        )
    return compiled
