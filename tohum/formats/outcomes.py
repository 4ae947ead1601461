"""The outcome of a document, exactly one: kept, dropped by a rule, or lost."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tohum.formats.records import Shard

KEPT = "kept"
MISSING = "missing"
UNREACHABLE = "unreachable"  # may not be missing: the next run asks again
CORRUPT = "corrupt"
UNDECODABLE = "undecodable"
BROKEN = "broken"
LOST = (MISSING, UNREACHABLE, CORRUPT, UNDECODABLE, BROKEN)
TOO_SHORT = "shorter than min_bytes"
TOO_LONG = "longer than max_bytes"
NO_TEXT = "no text"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"
NOT_SAMPLED = "not sampled"


@dataclass
class Totals:
    """The result of a conversion: the shards, the bytes of text in them, the dropped documents by
    reason, with the bytes of their texts if known, and for each source how many of its data files
    were read as what (a fact such as "encoding", and its value).
    """

    shards: list[Shard] = field(default_factory=list)
    bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_bytes: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    redacted: int = 0
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    read: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """The number of records in all shards."""
        return sum(shard.documents for shard in self.shards)

    @property
    def files(self) -> int:
        """The number of all documents, each counted once."""
        return self.documents - self.copies + self.dropped.total()

    @property
    def lost(self) -> int:
        """The number of documents that were wanted but could not be fetched."""
        return sum(self.dropped[reason] for reason in LOST)

    @property
    def filtered(self) -> int:
        """The number of documents that a rule left out."""
        return self.dropped.total() - self.lost

    def metrics(self) -> dict[str, Any]:
        """Returns the counts; documents less copies, filtered and lost ones add up to files.

        `read` counts, by source, the data files of each format, encoding and delimiter.
        """
        counts: dict[str, Any] = {
            "files": self.files,
            "documents": self.documents,
            "copies": self.copies,
            "bytes": self.bytes,
            "shards": len(self.shards),
            "redacted": self.redacted,
            **{reason: self.dropped[reason] for reason in LOST},
            "filtered": {
                reason: count
                for reason, count in sorted(self.dropped.items())
                if reason not in LOST
            },
            "sources": self.sources,
        }
        if self.read:
            counts["read"] = {name: _by_fact(found) for name, found in sorted(self.read.items())}
        return counts


def _by_fact(found: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    facts: dict[str, dict[str, int]] = {}
    for (fact, value), files in sorted(found.items()):
        facts.setdefault(fact, {})[value] = files
    return facts
