"""How large a source is, as its files or its server say."""

from dataclasses import dataclass


@dataclass
class SourceSize:
    """How large a source is.

    Attributes:
        bytes: of its files as they are downloaded; of a dataset of the Hub, as its list has them.
        files: how many.
        requests: to servers; 0 for data on this machine.
        rows: that are taken; None: all, or the files are the documents.
        note: what these figures don't cover.
    """

    bytes: int
    files: int
    requests: int = 0
    rows: int | None = None
    note: str = ""
