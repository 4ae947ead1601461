"""From raw files of any kind to records: the work, the checks on its outcome, and the outputs."""

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from stages.config import Jsonl, Runtime
from stages.errors import UserError
from stages.jsonl.archives import convert_archives
from stages.jsonl.fetching import convert_rows
from stages.outcomes import LOST, Totals
from stages.workdir import file_sha256, open_workdir, publish, work_key, write_json

BYTES_DEPEND_ON = (  # of the code; as in dvc.yaml
    "jsonl/archives.py",
    "jsonl/filters.py",
    "jsonl/rows.py",
    "jsonl/text.py",
    "records.py",
)

log = logging.getLogger(__name__)


def convert(config: Jsonl, runtime: Runtime, raw: Path, out: Path, metrics: Path) -> None:
    """Writes the records of `raw` to `out` and the counts to `metrics`.

    Raises:
        UserError: no record is left, or too many files are lost.
    """
    manifest, source = raw / "manifest.jsonl", raw / "source.json"
    # What has been fetched stays good when only the tolerated share is changed.
    tolerant = replace(config, max_lost_share=1)
    with open_workdir(
        "jsonl", work_key("jsonl", [tolerant], [manifest, source], BYTES_DEPEND_ON)
    ) as work:
        finished = work / "jsonl"
        kind = json.loads(source.read_text(encoding="utf-8"))["kind"]
        if kind == "hub":
            totals = convert_rows(config, runtime, raw, work, finished)
        else:
            totals = convert_archives(config, raw, finished)
        _check(totals, config)
        provenance = {
            "raw_manifest_sha256": file_sha256(manifest),
            "shards": [asdict(shard) for shard in totals.shards],
        }
        write_json(finished / "manifest.json", provenance)
        publish(finished, out)
        write_json(metrics, totals.metrics())
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(totals.dropped.items()))
    log.info(
        "%d documents, %.1f MB; left out: %s", totals.documents, totals.bytes / 1e6, told or "none"
    )


def _check(totals: Totals, config: Jsonl) -> None:
    if not totals.documents:
        raise UserError(
            f"the corpus is empty: of {totals.files} files none made a record "
            f"({dict(totals.dropped)}). Check the source, and the rules of the section jsonl."
        )
    wanted = totals.files - totals.filtered
    if totals.lost > config.max_lost_share * wanted:
        lost = ", ".join(f"{totals.dropped[reason]} {reason}" for reason in LOST)
        raise UserError(
            f"{totals.lost} of {wanted} files are lost ({lost}), more than jsonl.max_lost_share "
            f"({config.max_lost_share:.1%}) allows. dropped.jsonl in .work/jsonl says which and "
            "why. Raise the share to go on without them (what has been done is kept), or delete "
            ".work/jsonl to try all again."
        )
