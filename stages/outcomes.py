"""What becomes of a file: kept, filtered by a rule, or lost. Every one ends in exactly one of
these.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from stages.records import Shard

KEPT = "kept"
MISSING = "missing"
CORRUPT = "corrupt"
UNDECODABLE = "undecodable"
LOST = (MISSING, CORRUPT, UNDECODABLE)
TOO_SHORT = "shorter than min_bytes"
TOO_LONG = "longer than max_bytes"
DUPLICATE = "duplicate"


@dataclass
class Totals:
    """What a conversion made: the shards, the bytes of text in them, and the dropped by reason."""

    shards: list[Shard] = field(default_factory=list)
    bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def documents(self) -> int:
        """The records in all shards."""
        return sum(shard.documents for shard in self.shards)

    @property
    def files(self) -> int:
        """All files that there were."""
        return self.documents + self.dropped.total()

    @property
    def lost(self) -> int:
        """The files that were wanted and could not be had."""
        return sum(self.dropped[reason] for reason in LOST)

    @property
    def filtered(self) -> int:
        """The files that a rule left out."""
        return self.dropped.total() - self.lost

    def metrics(self) -> dict[str, Any]:
        """Returns the counts; documents, filtered and the three kinds of lost add up to files."""
        return {
            "files": self.files,
            "documents": self.documents,
            "bytes": self.bytes,
            "shards": len(self.shards),
            **{reason: self.dropped[reason] for reason in LOST},
            "filtered": {
                reason: count
                for reason, count in sorted(self.dropped.items())
                if reason not in LOST
            },
        }
