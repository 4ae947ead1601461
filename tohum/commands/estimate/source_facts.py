"""How large a source is, as its files or its server say, and a sample of it."""

from dataclasses import dataclass, field
from typing import Any

BY_LINES = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt")  # whose lines can be read alone


@dataclass
class SourceSize:
    """How large a source is.

    Attributes:
        bytes: of its files as they are downloaded; of a dataset of the Hub, as its list has them.
        files: how many.
        requests: to servers; 0 for data on this machine.
        rows: that are taken; None: all, or the files are the documents.
        kept: bytes of parquet of a dataset that stay on the disk as they are.
        contents: how many of the requests are for what the rows name, if that is a file each.
    """

    bytes: int
    files: int
    requests: int = 0
    rows: int | None = None
    kept: int = 0
    contents: int = 0


@dataclass
class SourceSample:
    """Plain values of the section `source` that read a sample, and which share of all it is."""

    values: dict[str, Any]
    share: float
    size: SourceSize = field(default_factory=lambda: SourceSize(0, 0))
