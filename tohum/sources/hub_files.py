"""Fetches a Hub dataset's files: whole ones, or the first rows of parquet.

Whole files resume after a kill (Range) and are checked against the hash that the Hub lists for
them; the Hub's own client does not resume a file in another process. With `max_rows`, only the
needed row groups and columns are fetched, and a killed download resumes after its last complete
file. A file from an earlier download is reused.
"""

import json
import logging
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet

from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.files import atomic_write, file_sha256, write_json
from tohum.formats.raw import FACTS, MANIFEST, find_facts, read_object
from tohum.marks import read_mark, write_mark
from tohum.sources.destination import link_or_copy
from tohum.sources.first_rows import count_rows, write_first_rows
from tohum.sources.hub_api import HubFile
from tohum.sources.hub_whole_files import WholeFiles, name_digest, take_whole

WRITER = f"parquet-cpp-arrow version {pyarrow.cpp_version}"  # its signature in the files it writes
FIRST_ROWS = re.compile(r"first (\d+) rows")
PAGE_CHECKSUMS = "page checksums"
KEYS = {"file", "repo_id", "revision", "taken", "columns", "sha256", "verified_by"}

if TYPE_CHECKING:
    from tohum.sources.hub import HubSource  # which imports this module when it downloads

log = logging.getLogger(__name__)


class HubFiles:
    """The files of a source at a commit. `earlier` are folders that may have some of them."""

    def __init__(self, source: "HubSource", commit: str, earlier: list[Path]) -> None:
        self.source = source
        self.commit = commit
        self.earlier = [
            place for folder in earlier for place in (folder, folder / "rows") if place.is_dir()
        ]
        self.first_rows: dict[tuple[str, ...], list[FirstRows]] = defaultdict(list)
        for folder in self.earlier:
            for line in _lines(folder):
                if taken := FIRST_ROWS.fullmatch(str(line["taken"])):
                    rows = FirstRows(folder / line["file"], int(taken[1]), line)
                    self.first_rows[_identity(line)].append(rows)
        wanted = set(source.columns.values())
        self.columns = None if source.content == "rows" else sorted(wanted)

    def check_size(self, groups: list[list[HubFile]]) -> None:
        """Raises a UserError if whole files exceed source.max_bytes, or if the first rows are
        requested of a file that isn't parquet.
        """
        source = self.source
        files = [file for group in groups for file in group]
        size = sum(file.remote.size for file in files)
        if source.max_rows is None and size > source.max_bytes:
            raise UserError(
                f"source.paths matches {len(files)} files of {source.repo_id} with "
                f"{size / 1e9:.1f} GB in all, more than source.max_bytes "
                f"({source.max_bytes / 1e9:.1f} GB). Raise it, name fewer files, or set "
                "source.max_rows to take only the first rows."
            )
        for file in files:
            if source.max_rows is not None and not file.path.endswith(".parquet"):
                raise UserError(
                    f"source.max_rows is {source.max_rows}, and {file.path} of {source.repo_id} is "
                    "not a parquet file: the first rows can be fetched only from parquet. Set "
                    "source.max_rows=null to take whole files."
                )

    def take(self, groups: list[list[HubFile]], folder: Path, runtime: Runtime, work: Path) -> None:
        """Writes the files of each pattern to `folder`, with their manifest and source.json.

        Args:
            work: the source's folder for unfinished work.

        Raises:
            UserError: the Hub doesn't serve a file, or serves another one.
        """
        lines: list[dict[str, Any]] = []
        if self.source.max_rows is None:
            files = [file for group in groups for file in group]
            setup = WholeFiles(folder, self.earlier, work / "parts")
            hashes = take_whole(files, setup, runtime, work)
            for file, sha256 in zip(files, hashes, strict=True):
                verified_by = file.remote.object_id.kind
                lines.append(self._line(file, folder / file.path, "whole", sha256, verified_by))
        else:
            limits = self._shares(groups, self.source.max_rows)
            for group, limit in zip(groups, limits, strict=True):
                lines += self._take_group(group, limit, folder, work / "first-rows")
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / MANIFEST, "w") as manifest:
            manifest.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        facts = {
            "kind": "hub",
            "repo_id": self.source.repo_id,
            "revision": self.commit,
            "content": self.source.content,
            "columns": self.source.columns,
            "files": len(lines),
            "bytes": sum(line["bytes"] for line in lines),
        }
        write_json(folder / FACTS, facts)

    def _shares(self, groups: list[list[HubFile]], rows: int) -> list[int]:
        """Divides `rows` among the patterns in equal parts; what one lacks goes to the others."""
        if len(groups) == 1:
            return [rows]
        return divide(rows, [self._count(group, rows) for group in groups])

    def _count(self, group: list[HubFile], enough: int) -> int:
        """Returns the number of rows in the files, at most `enough`; the rest isn't queried."""
        count = 0
        for file in group:
            if count >= enough:
                break
            count += count_rows(file.remote)
        return min(count, enough)

    def _take_group(
        self, files: list[HubFile], rows: int, folder: Path, marks: Path
    ) -> list[dict[str, Any]]:
        """Returns the manifest lines of the files of one pattern, at most `rows` rows."""
        lines = []
        for file in files:
            if rows == 0:
                break
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            mark = marks / f"{name_digest(file.path)}.json"
            asked = self._facts(file, f"first {rows} rows")
            done = read_mark(mark)
            if done is None or done["asked"] != asked or not _is_current(path):
                count, line = self._take_rows(file, path, rows)
                done = {"asked": asked, "rows": count, "line": line}
                write_mark(mark, [path], done)
            rows -= done["rows"]
            lines.append(done["line"])
        return lines

    def _facts(self, file: HubFile, taken: str) -> dict[str, Any]:
        return {
            "file": file.path,
            "repo_id": self.source.repo_id,
            "revision": file.commit,
            "taken": taken,
            "columns": None if taken == "whole" else self.columns,
        }

    def _line(
        self, file: HubFile, path: Path, taken: str, sha256: str, verified_by: str | None
    ) -> dict[str, Any]:
        return {
            **self._facts(file, taken),
            "bytes": path.stat().st_size,
            "sha256": sha256,
            "hub_id": file.remote.object_id.value,
            "verified_by": verified_by,
        }

    def _earlier_rows(self, file: HubFile, rows: int) -> "FirstRows | None":
        """Returns an earlier download of at most `rows` first rows of a file that is what would be
        fetched now.
        """
        there: int | None = None
        for found in self.first_rows[_identity(self._facts(file, ""))]:
            if found.rows > rows or not found.path.is_file():
                continue
            if found.rows < rows:  # enough, if the file has no more
                there = count_rows(file.remote) if there is None else there
                if found.rows != there:
                    continue
            if file_sha256(found.path) == found.line["sha256"] and _is_current(found.path):
                return found
        return None

    def _take_rows(self, file: HubFile, path: Path, rows: int) -> tuple[int, dict[str, Any]]:
        """Writes the first rows of a file, and returns their number and its manifest line."""
        if earlier := self._earlier_rows(file, rows):
            log.info("%s: taken from an earlier download", file.path)
            link_or_copy(earlier.path, path)
            return earlier.rows, earlier.line
        count, checked = write_first_rows(file.remote, path, self.columns, rows)
        verified_by = PAGE_CHECKSUMS if checked else None
        line = self._line(file, path, f"first {count} rows", file_sha256(path), verified_by)
        return count, line


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a file in an earlier download: where, how many, and its manifest line."""

    path: Path
    rows: int
    line: dict[str, Any]


def _is_current(path: Path) -> bool:
    """Whether a file of first rows has the bytes that would be written now."""
    with pyarrow.parquet.ParquetFile(path) as file:
        return bool(file.metadata.created_by == WRITER)


def _lines(folder: Path) -> list[dict[str, Any]]:
    """Returns a folder's manifest if it is one of Hub files, in the present form.

    A dataset or a user's folder may have files of these names.
    """
    facts = find_facts(folder)
    if facts is None or facts.get("kind") != "hub" or not (folder / MANIFEST).is_file():
        return []
    lines: list[dict[str, Any]] = []
    with (folder / MANIFEST).open("rb") as file:
        for text in file:
            line = read_object(text)
            if line is None or not line.keys() >= KEYS:
                break  # one of archives (millions of lines), of an older form, or damaged
            if line["sha256"]:
                lines.append(line)
    return lines


def _identity(line: dict[str, Any]) -> tuple[str, ...]:
    """What two downloads of rows of the same file have in common."""
    names = ("file", "repo_id", "revision", "columns")
    return tuple(str(line[name]) for name in names)


def each_once(groups: list[list[HubFile]]) -> list[list[HubFile]]:
    """Assigns each file to the first pattern that matches it."""
    first = {
        file.path: number for number, group in reversed([*enumerate(groups)]) for file in group
    }
    return [
        [file for file in group if first[file.path] == number]
        for number, group in enumerate(groups)
    ]


def divide(total: int, there: list[int]) -> list[int]:
    """Divides `total` into equal parts, each at most what is `there`; what one can't take goes to
    the others, and a remainder to the first.
    """
    parts = [0] * len(there)
    left = min(total, sum(there))
    while left:
        open_ones = [number for number, most in enumerate(there) if parts[number] < most]
        share = max(1, left // len(open_ones))
        for number in open_ones:
            more = min(share, there[number] - parts[number], left)
            parts[number] += more
            left -= more
    return parts
