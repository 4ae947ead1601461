"""Decides which rows to fetch, by rules on what they say about the files that they name.

A row that can't be read is broken, whatever the rules. These are tried in the order of REASONS, and
the first that applies is the reason.
"""

import hashlib
import re
from typing import Any

import numpy
import pyarrow
from pyarrow import compute

from tohum.fetch.config import RowRules
from tohum.fetch.row_tables import PROBLEM
from tohum.formats.outcomes import BROKEN, DUPLICATE
from tohum.gitignore import Patterns

WANTED = 0
REASONS = (
    "",
    "no id",
    "license type",
    "vendored",
    "generated",
    "smaller than min_file_bytes",
    "larger than max_file_bytes",
    "language",
    "fewer than min_stars",
    "excluded path",
    DUPLICATE,
    BROKEN,
)
SHA1 = re.compile("[0-9a-f]{40}")


class RowFilter:
    """The configured rules."""

    def __init__(self, rules: RowRules) -> None:
        self.rules = rules
        self.excluded = Patterns(rules.exclude_paths)

    def decide(self, table: pyarrow.Table) -> numpy.ndarray[Any, Any]:
        """Returns each row's verdict, the rule that leaves it out or WANTED: (rows,) uint8."""
        rules = self.rules
        verdict = numpy.zeros(len(table), numpy.uint8)
        reject = _Rejection(table, verdict)
        reject(BROKEN, PROBLEM, compute.is_valid)
        name = "url" if "url" in table.column_names else "id"
        reject(
            "no id",
            name,
            lambda ids: compute.or_kleene(compute.is_null(ids), compute.equal(ids, "")),
        )
        if rules.license_types:
            allowed = pyarrow.array(rules.license_types, pyarrow.string())
            reject("license type", "license_type", lambda kinds: _not_in(kinds, allowed))
        if rules.exclude_vendored:
            reject("vendored", "is_vendored", lambda flags: flags)
        if rules.exclude_generated:
            reject("generated", "is_generated", lambda flags: flags)
        least, most = rules.min_file_bytes, rules.max_file_bytes
        if least:
            reject("smaller than min_file_bytes", "bytes", lambda sizes: compute.less(sizes, least))
        if most is not None:
            reject(
                "larger than max_file_bytes", "bytes", lambda sizes: compute.greater(sizes, most)
            )
        if rules.languages:
            languages = pyarrow.array(rules.languages, pyarrow.string())
            reject("language", "language", lambda found: _not_in(found, languages))
        if rules.min_stars:
            stars = rules.min_stars
            reject(
                "fewer than min_stars",
                "stars",
                lambda found: compute.less(compute.fill_null(found, 0), stars),
            )
        if rules.exclude_paths:
            reject("excluded path", "path", self._excluded_paths)
        return verdict

    def _excluded_paths(self, paths: Any) -> Any:
        match = self.excluded.cover
        return pyarrow.array([match((path or "").lstrip("/")) for path in paths.to_pylist()])


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
        self.verdict[mask & (self.verdict == WANTED)] = REASONS.index(rule)


def _not_in(values: Any, allowed: Any) -> Any:
    return compute.invert(compute.is_in(values, allowed))


def row_keys(names: list[str]) -> bytes:
    """Returns 20 bytes for each name, one after another: a SHA-1 itself, or the SHA-1 of any other
    name.
    """
    return b"".join(
        bytes.fromhex(name) if SHA1.fullmatch(name) else hashlib.sha1(name.encode()).digest()
        for name in names
    )
