"""Downloads a Hub dataset: its files, then the contents that their rows name."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi

from tohum.fetch.assembly import is_damaged
from tohum.fetch.contents import check_lost, fell_short, fetch_contents
from tohum.fetch.selection import FileRows
from tohum.fetch.stored import Stored
from tohum.files import write_json
from tohum.foresight import folder_bytes, require_disk
from tohum.formats.raw import FACTS, MANIFEST, Written
from tohum.marks import read_mark, write_mark
from tohum.sources.destination import Destination
from tohum.sources.hub_api import HubFile, matching, resolve
from tohum.sources.hub_file_names import check_together
from tohum.sources.hub_files import HubFiles, each_once
from tohum.sources.hub_token import load_token
from tohum.workdir import project_root

FILES_PER_SECOND = 1000  # for the estimate; benchmarks/fetch.py measures what is possible
BYTES_PER_ROW = 312  # of ids and their metadata, in shards of The Stack v2

if TYPE_CHECKING:
    from tohum.sources.hub import HubSource  # which imports this module when it downloads

log = logging.getLogger(__name__)


class HubDownload:
    """The download of a dataset to its folder in data/raw."""

    def __init__(self, source: "HubSource", destination: Destination) -> None:
        self.source = source
        self.destination = destination

    def run(self) -> None:
        """Fetches what is missing, and writes source.json last."""
        source, destination = self.source, self.destination
        load_token(project_root() / ".env")
        api = HfApi()
        commit = resolve(api, source.repo_id, source.revision)
        self._continue_at(commit)
        groups = each_once(
            [matching(api, source.repo_id, commit, pattern) for pattern in source.paths]
        )
        check_together(source.repo_id, [file.path for group in groups for file in group])
        files = HubFiles(source, commit, destination.earlier_folders())
        files.check_size(groups)
        self._announce(commit, groups)
        if source.max_rows is None:
            size = sum(file.remote.size for group in groups for file in group)
            there = folder_bytes(destination.folder) + folder_bytes(destination.published)
            require_disk("download", size - there, destination.work, "the dataset's files")
        if source.content == "rows":
            files.take(groups, destination.folder, destination.runtime, destination.notes)
            return
        rows, mark = destination.folder / "rows", destination.notes / "rows.json"
        if read_mark(mark) is None:
            files.take(groups, rows, destination.runtime, destination.notes)
            write_mark(mark, [path for path in sorted(rows.rglob("*")) if path.is_file()])
        self._fetch(rows, commit)

    def _continue_at(self, commit: str) -> None:
        """Starts over if an earlier try was at another commit, fell short or is damaged; it then
        counts as an earlier download, whose contents are checked one by one.
        """
        destination = self.destination
        noted = destination.notes / "commit"
        damaged = is_damaged(destination.notes)
        short = fell_short(destination.notes, self.source.max_lost_share)
        if damaged or short or (noted.is_file() and noted.read_bytes() != commit.encode()):
            destination.set_aside(complete=short)
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(commit, encoding="utf-8")

    def _announce(self, commit: str, groups: list[list[HubFile]]) -> None:
        """Logs what is about to be fetched, how long it will take, and on what terms."""
        source = self.source
        files = [file for group in groups for file in group]
        size = sum(file.remote.size for file in files)
        log.info("%s at %s: %d files, %.1f MB", source.repo_id, commit[:12], len(files), size / 1e6)
        if source.terms:
            log.info("terms: %s", source.terms)
        if source.max_rows is not None:
            log.info(
                "taking the first %d rows; raise source.max_rows to take more", source.max_rows
            )
        if source.content in ("software_heritage", "url"):
            count = source.max_rows or size // BYTES_PER_ROW
            hours = count / FILES_PER_SECOND / 3600
            log.info(
                "about %d files to fetch, %.1f h at %d per second", count, hours, FILES_PER_SECOND
            )

    def _fetch(self, rows: Path, commit: str) -> None:
        """Fetches the contents that the rows name, and logs the result."""
        source, destination = self.source, self.destination
        lines = (rows / MANIFEST).read_bytes().splitlines()
        named = FileRows(
            [rows / json.loads(line)["file"] for line in lines],
            source.columns,
            source.content,
            source.repo_id,
        )
        stored = Stored(
            destination.notes / "stored",
            destination.earlier_folders(),
            destination.earlier_journals(),
        )
        written = fetch_contents(
            named, source, destination.runtime, destination.notes, destination.folder, stored
        )
        share, section = source.max_lost_share, destination.section
        check_lost(source.repo_id, written, share, section, destination.folder)
        self._finish(written, commit)

    def _finish(self, written: Written, commit: str) -> None:
        source = self.source
        facts = {
            "kind": "hub",
            "repo_id": source.repo_id,
            "revision": commit,
            "content": source.content,
            "columns": source.columns,
            "files": written.files,
            "bytes": written.bytes,
            "dropped": dict(sorted(written.dropped.items())),
        }
        write_json(self.destination.folder / FACTS, facts)
        left = ", ".join(f"{count} {reason}" for reason, count in sorted(written.dropped.items()))
        log.info(
            "%d files, %.1f MB; left out: %s", written.files, written.bytes / 1e6, left or "none"
        )
