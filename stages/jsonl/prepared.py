"""Judged documents of one unit, kept on disk until it is decided which of them are written.

<number>.jsonl       a line for each document: of its record, or of dropped.jsonl
<number>.npy         (documents,) of DOCUMENT: the outcome of each
<number>.sig.npy     (kept documents, permutations) of uint32, if near copies are looked for
<number>.json        the mark of these, written last; its facts are the reasons and origins that the
                     numbers in the array refer to
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from stages.jsonl.judging import Judged
from tohum.errors import UserError
from tohum.files import atomic_write
from tohum.marks import read_mark, write_mark

KEPT = 0
KEY = numpy.dtype("V20")
DOCUMENT = numpy.dtype(
    [
        ("reason", "<u2"),  # index in `reasons`; KEPT: none
        ("origin", "<u4"),  # index in `origins`
        ("redacted", "<u4"),  # replacements in it
        ("size", "<u8"),  # bytes of its text
        ("line", "<u8"),  # bytes of its line
        ("key", KEY),  # SHA-1 that equal documents share
    ]
)
Origin = tuple[str | None, str | None]


@dataclass
class Prepared:
    """A prepared unit, read back: the outcomes of its documents, and where their lines are."""

    path: Path
    documents: numpy.ndarray[Any, Any]
    reasons: list[str]
    origins: list[Origin]

    @classmethod
    def read(cls, path: Path) -> "Prepared":
        """Reads back what `write_prepared` wrote, except the lines.

        Raises:
            UserError: it isn't there, though a task has written it.
        """
        facts = read_mark(path.with_suffix(".json"), files=False)
        if facts is None:
            raise UserError(
                f"{path}.json is not there, or damaged, though it was written a moment ago. Run "
                "`dvc repro` again: what is complete is kept. On a cluster, the file system that "
                "the nodes share may show new files late."
            )
        documents = numpy.load(path.with_suffix(".npy"))
        return cls(path, documents, facts["reasons"], [tuple(pair) for pair in facts["origins"]])

    @property
    def lines_path(self) -> Path:
        """The file of its lines."""
        return self.path.with_suffix(".jsonl")

    def signatures(self) -> numpy.ndarray[Any, Any]:
        """Returns the signatures of the kept documents."""
        loaded: numpy.ndarray[Any, Any] = numpy.load(self.path.with_suffix(".sig.npy"))
        return loaded


def is_prepared(path: Path) -> bool:
    """Whether the unit is complete, and as it was written."""
    return read_mark(path.with_suffix(".json")) is not None


def write_prepared(path: Path, judged: Iterable[Judged], with_signatures: bool) -> None:
    """Writes a unit's documents as they come; the file that marks it complete is written last."""
    reasons: dict[str, int] = {"": 0}
    origins: dict[Origin, int] = {}
    rows: list[tuple[int, int, int, int, int, bytes]] = []
    texts: list[str] = []
    with atomic_write(path.with_suffix(".jsonl"), sync=False) as file:
        for item in judged:
            file.write(item.line)
            reason = reasons.setdefault(item.reason, len(reasons))
            origin = origins.setdefault(item.origin, len(origins))
            key = item.key or bytes(20)
            rows.append((reason, origin, item.redacted, item.size, len(item.line), key))
            if with_signatures and not item.reason:
                texts.append(item.text)
    _save(path.with_suffix(".npy"), numpy.array(rows, DOCUMENT))
    if with_signatures:
        from tohum.cleaning.minhash import signatures  # numba: half a second to import

        _save(path.with_suffix(".sig.npy"), signatures(texts))
    files = [path.with_suffix(suffix) for suffix in (".jsonl", ".npy", ".sig.npy")]
    facts = {"reasons": list(reasons), "origins": list(origins)}
    files = files if with_signatures else files[:2]
    write_mark(path.with_suffix(".json"), files, facts, sync=False)


def _save(path: Path, array: numpy.ndarray[Any, Any]) -> None:
    content = io.BytesIO()
    numpy.save(content, array)
    with atomic_write(path, sync=False) as file:
        file.write(content.getbuffer())
