"""Where the documents of the corpus come from: origins.jsonl, and the licences in the manifest."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from stages.jsonl.prepared import Origin
from tohum.files import atomic_write
from tohum.licenses import UNKNOWN, spdx


class Origins:
    """How many documents and bytes came from which repository, under which licence.

    Memory grows with the number of repositories, not of documents.
    """

    def __init__(self) -> None:
        self.documents: Counter[tuple[str, Origin]] = Counter()
        self.bytes: Counter[tuple[str, Origin]] = Counter()

    def add(self, member: str, origin: Origin, size: int, documents: int = 1) -> None:
        """Counts documents, which have `size` bytes of text."""
        self.documents[member, origin] += documents
        self.bytes[member, origin] += size

    def rows(self) -> list[list[Any]]:
        """Returns source, repository, licence, documents and bytes of each, as first counted."""
        return [
            [member, *origin, count, self.bytes[member, origin]]
            for (member, origin), count in self.documents.items()
        ]

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
