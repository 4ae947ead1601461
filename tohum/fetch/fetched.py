"""The files of a Hub dataset whose rows hold ids, as records: fetched once, and kept in
`.work/fetched`.

What is done to the text afterwards (rules, the opt-out list, weights) can then change without a
file being fetched again. Where nothing is done to it, the shards of data/jsonl are hard links to
these, so that they take no more room.
"""

import json
import os
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.jsonl.config import Jsonl
from tohum.config.runtime import Runtime
from tohum.files import write_json
from tohum.formats.outcomes import Totals
from tohum.formats.records import Shard
from tohum.workdir import open_workdir, work_key

FETCH_RULES = (
    "license_types",
    "languages",
    "exclude_vendored",
    "exclude_generated",
    "exclude_paths",
    "min_stars",
    "min_bytes",
    "max_bytes",
    "shard_bytes",
    "compression",
)


@dataclass
class Fetched:
    """Where the records are, and what became of the rows."""

    folder: Path
    totals: Totals


def fetch(rules: Jsonl, runtime: Runtime, raw: Path) -> Fetched:
    """Returns the records of the dataset in `raw`, fetching what is not there yet.

    Raises:
        UserError: the store can't be reached.
    """
    wanted = {key: value for key, value in asdict(rules).items() if key in FETCH_RULES}
    inputs = [raw / "manifest.jsonl", raw / "source.json"]
    key = work_key("jsonl", [wanted], inputs)
    with open_workdir("fetched", key) as work:
        folder, complete = work / "records", work / "complete.json"
        if not complete.is_file():
            from tohum.fetch.fetching import convert_rows  # half a second of imports

            totals = convert_rows(rules, runtime, raw, work, folder)
            facts = {
                "shards": [asdict(shard) for shard in totals.shards],
                "bytes": totals.bytes,
                "dropped": totals.dropped,
            }
            write_json(complete, facts)
        shutil.rmtree(work / "journals", ignore_errors=True)  # all of it is in the shards
        saved = json.loads(complete.read_text(encoding="utf-8"))
        shards = [Shard(**shard) for shard in saved["shards"]]
        return Fetched(folder, Totals(shards, saved["bytes"], Counter(saved["dropped"])))


def link_records(fetched: Fetched, out: Path) -> None:
    """Puts the records into `out` as they are, by hard links where the file system has them."""
    for path in sorted(fetched.folder.iterdir()):
        try:
            os.link(path, out / path.name)
        except OSError:
            shutil.copyfile(path, out / path.name)
