"""Writes the corpus: shards, dropped.jsonl, the counts, and where its documents come from."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from stages.jsonl.config import Jsonl
from stages.jsonl.mixing import Document
from stages.jsonl.opt_out import OPTED_OUT, matched_lines
from stages.jsonl.prepared import Origin
from tohum.files import atomic_write
from tohum.formats.outcomes import Totals
from tohum.formats.records import ShardWriter
from tohum.licenses import UNKNOWN, spdx


class Origins:
    """How many documents and bytes came from which repository, under which licence.

    Memory grows with the number of repositories, not of documents.
    """

    def __init__(self) -> None:
        self.documents: Counter[tuple[str, Origin]] = Counter()
        self.bytes: Counter[tuple[str, Origin]] = Counter()

    def add(self, member: str, origin: Origin, size: int) -> None:
        """Counts one document."""
        self.documents[member, origin] += 1
        self.bytes[member, origin] += size

    def licenses(self) -> dict[str, dict[str, Any]]:
        """Returns the documents and bytes by licence as the sources state it ("unknown" if they
        don't), most bytes first, with its SPDX expression or None.
        """
        documents: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for (member, (repo, license)), count in self.documents.items():
            name = license or UNKNOWN
            documents[name] += count
            sizes[name] += self.bytes[member, (repo, license)]
        names = sorted(sizes, key=lambda name: (-sizes[name], name))
        return {
            name: {"spdx": spdx(name), "documents": documents[name], "bytes": sizes[name]}
            for name in names
        }

    def write(self, path: Path) -> None:
        """Writes a line for each source, repository and licence, in order."""
        with atomic_write(path) as file:
            for member, (repo, license) in sorted(self.documents, key=_order):
                entry = {
                    "source": member,
                    "repo": repo,
                    "license": license,
                    "spdx": spdx(license),
                    "documents": self.documents[member, (repo, license)],
                    "bytes": self.bytes[member, (repo, license)],
                }
                file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


def _order(item: tuple[str, Origin]) -> tuple[str, str, str]:
    member, (repo, license) = item
    return member, repo or "", license or ""


def write_corpus(
    documents: Iterable[Document], config: Jsonl, out: Path, earlier: Iterable[Path]
) -> tuple[Totals, Origins, dict[str, Counter[str]], set[int]]:
    """Writes all documents to `out` and returns the totals, the origins, the drop counts by source,
    and the numbers of the lines of conf/opt_out.txt that dropped something.

    Args:
        earlier: files whose lines go first in dropped.jsonl: rows whose files were never fetched.
    """
    totals, origins = Totals(), Origins()
    dropped_of: dict[str, Counter[str]] = {}
    opted_out: set[int] = set()
    with (
        ShardWriter(out, config.shard_bytes, config.compression) as shards,
        atomic_write(out / "dropped.jsonl") as dropped,
    ):
        for path in earlier:
            with path.open("rb") as lines:
                dropped.writelines(lines)
        for member, reason, line, size, origin, redacted, copy in documents:
            if reason:
                dropped.write(line)
                dropped_of.setdefault(member, Counter())[reason] += 1
                if reason == OPTED_OUT:
                    opted_out |= matched_lines(orjson.loads(line)["detail"])
                totals.dropped_bytes[reason] += size
                continue
            shards.write_line(line)
            totals.bytes += size
            totals.copies += copy > 1
            totals.redacted += redacted
            count = totals.sources.setdefault(member, {"documents": 0, "bytes": 0})
            count["documents"] += 1
            count["bytes"] += size
            origins.add(member, origin, size)
    totals.shards = shards.shards
    totals.dropped = sum(dropped_of.values(), Counter())
    return totals, origins, dropped_of, opted_out
