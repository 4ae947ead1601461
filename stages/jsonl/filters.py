"""Which rows are worth a fetch: rules on what the rows say, and the first of equal ids.

The rules are tried in the order of RULES and the first that applies is the reason. A rule on a
column that the source does not have applies to nothing.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy
import pyarrow
from pyarrow import compute

from stages.jsonl.config import Jsonl
from tohum.formats.outcomes import DUPLICATE, TOO_LONG, TOO_SHORT
from tohum.sources.gitignore import Patterns

WANTED = 0
RULES = (
    "",
    "no id",
    "license type",
    "vendored",
    "generated",
    TOO_SHORT,
    TOO_LONG,
    "language",
    "fewer than min_stars",
    "excluded path",
    DUPLICATE,
)
KEY_BYTES = 20
SHA1 = re.compile("[0-9a-f]{40}")
BUCKETS = 64
KEY = numpy.dtype([("key", f"S{KEY_BYTES}"), ("row", "<u8")])


class RowFilter:
    """The configured rules."""

    def __init__(self, config: Jsonl) -> None:
        self.config = config
        self.excluded = Patterns(config.exclude_paths)

    def decide(self, table: pyarrow.Table) -> numpy.ndarray[Any, Any]:
        """Returns each row's verdict: the rule that leaves it out, or WANTED; (rows,) uint8."""
        config = self.config
        verdict = numpy.zeros(len(table), numpy.uint8)
        reject = _Rejection(table, verdict)
        name = "url" if "url" in table.column_names else "id"
        reject(
            "no id",
            name,
            lambda ids: compute.or_kleene(compute.is_null(ids), compute.equal(ids, "")),
        )
        if config.license_types:
            allowed = pyarrow.array(config.license_types, pyarrow.string())
            reject("license type", "license_type", lambda kinds: _not_in(kinds, allowed))
        if config.exclude_vendored:
            reject("vendored", "is_vendored", lambda flags: flags)
        if config.exclude_generated:
            reject("generated", "is_generated", lambda flags: flags)
        reject(TOO_SHORT, "bytes", lambda sizes: compute.less(sizes, config.min_bytes))
        reject(TOO_LONG, "bytes", lambda sizes: compute.greater(sizes, config.max_bytes))
        if config.languages:
            languages = pyarrow.array(config.languages, pyarrow.string())
            reject("language", "language", lambda found: _not_in(found, languages))
        if config.min_stars:
            stars = config.min_stars
            reject(
                "fewer than min_stars",
                "stars",
                lambda found: compute.less(compute.fill_null(found, 0), stars),
            )
        if config.exclude_paths:
            reject("excluded path", "path", self._excluded_paths)
        return verdict

    def _excluded_paths(self, paths: Any) -> Any:
        cover = self.excluded.cover
        return pyarrow.array([cover(path or "") for path in paths.to_pylist()])


class _Rejection:
    """Applies a rule to the rows that no earlier rule has left out."""

    def __init__(self, table: pyarrow.Table, verdict: numpy.ndarray[Any, Any]) -> None:
        self.table = table
        self.verdict = verdict

    def __call__(self, rule: str, column: str, test: Any) -> None:
        if column not in self.table.column_names or not len(self.table):
            return
        applies = compute.fill_null(test(self.table[column]), False)
        if isinstance(applies, pyarrow.ChunkedArray):
            applies = applies.combine_chunks()
        mask = applies.to_numpy(zero_copy_only=False).astype(bool)
        self.verdict[mask & (self.verdict == WANTED)] = RULES.index(rule)


def _not_in(values: Any, allowed: Any) -> Any:
    return compute.invert(compute.is_in(values, allowed))


class DuplicateFinder:
    """Finds the rows whose key came before, in memory that hardly grows with their number.

    Keys go to files by their first byte; each file is then sorted alone. A bit a row remains.
    """

    def __init__(self, folder: Path) -> None:
        self._files = [(folder / f"keys-{number:02d}.bin").open("wb") for number in range(BUCKETS)]
        self.rows = 0
        self.keys = 0

    def add(self, keys: bytes, wanted: numpy.ndarray[Any, Any], rows: int) -> None:
        """Adds the keys (KEY_BYTES each) of the `wanted` places among the next `rows` rows."""
        entries = numpy.empty(len(wanted), KEY)
        entries["key"] = numpy.frombuffer(keys, f"S{KEY_BYTES}")
        entries["row"] = wanted + self.rows
        self.rows += rows
        self.keys += len(wanted)
        first = numpy.frombuffer(keys, numpy.uint8)[::KEY_BYTES] // (256 // BUCKETS)
        order = numpy.argsort(first, kind="stable")
        ends = numpy.searchsorted(first[order], numpy.arange(BUCKETS + 1))
        for number, file in enumerate(self._files):
            file.write(entries[order[ends[number] : ends[number + 1]]].tobytes())

    def find(self) -> numpy.ndarray[Any, Any]:
        """Returns a bit for each row (packed, little-endian), set where its key came before."""
        bits = numpy.zeros(self.rows // 8 + 1, numpy.uint8)
        for file in self._files:
            file.close()
            entries = numpy.fromfile(file.name, KEY)
            order = numpy.argsort(entries["key"], kind="stable")
            keys = entries["key"][order]
            again = numpy.zeros(len(keys), bool)
            again[1:] = keys[1:] == keys[:-1]
            rows = entries["row"][order[again]]
            numpy.bitwise_or.at(
                bits, (rows >> 3).astype(numpy.int64), 1 << (rows & 7).astype(numpy.uint8)
            )
            Path(file.name).unlink()
        return bits


def row_keys(names: list[str]) -> bytes:
    """Returns KEY_BYTES for each name, one after another: a SHA-1 itself, or the SHA-1 of another
    name.
    """
    return b"".join(
        bytes.fromhex(name) if SHA1.fullmatch(name) else hashlib.sha1(name.encode()).digest()
        for name in names
    )
