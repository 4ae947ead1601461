"""Converts raw files of any kind to records: the work, the checks on its result, and the outputs.

There are two passes. The first applies the rules to every document, in parallel, and keeps the
outcome in the work directory; the second finds duplicates, puts the sources into one order and
cuts it into shards, which are written in parallel again.
"""

import csv
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from stages.jsonl.candidates import Unit, file_units, row_units
from stages.jsonl.checks import check_enough, check_lost, check_opt_out
from stages.jsonl.config import Jsonl, rules_of
from stages.jsonl.duplicates import find_duplicates
from stages.jsonl.members import Member
from stages.jsonl.mixing import mixed
from stages.jsonl.opt_out import OptOut, read_opt_out
from stages.jsonl.preparing import Rulebook, prepare
from stages.jsonl.writing import Origins, take_shards, write_corpus
from tohum.cluster import joined
from tohum.config.runtime import Runtime
from tohum.files import atomic_write, file_sha256, fresh, publish, write_json
from tohum.foresight import folder_bytes, foretell, require_disk
from tohum.formats.outcomes import Totals
from tohum.formats.raw import DROPPED, FACTS, MANIFEST, RawMember, raw_members
from tohum.formats.tokens import ORIGINS
from tohum.workdir import open_workdir, work_key

log = logging.getLogger(__name__)


def convert(
    config: Jsonl,
    runtime: Runtime,
    raw: Path,
    out: Path,
    metrics: Path,
    plot: Path,
    opt_out: Path,
    fewest: int = 1,
) -> None:
    """Writes the records of `raw` to `out`, the counts to `metrics`, and those by rule to `plot`.

    Raises:
        UserError: fewer than `fewest` documents are left, or too many of a source are lost.
    """
    # Finished work stays valid when only a tolerated share changes.
    sources = {name: {**own, "max_lost_share": 1} for name, own in config.sources.items()}
    tolerant = replace(config, max_lost_share=1, sources=sources)
    inputs = [raw / MANIFEST, raw / FACTS]
    inputs += filter(Path.is_file, (raw / DROPPED, opt_out, *_test_sets(config)))
    with open_workdir("jsonl", work_key("jsonl", [tolerant], inputs)) as work:
        finished = fresh(work / "jsonl")
        raws, size = raw_members(raw), folder_bytes(raw)
        foretell("jsonl", size)
        # each document is kept once when it is judged, before a corpus is written
        require_disk("jsonl", size - folder_bytes(work), work, "the documents")
        conversion = Conversion(config, runtime, raws, read_opt_out(opt_out), work, fewest)
        with joined(runtime):
            totals, origins = conversion.run(finished)
        take_shards(work, finished, totals.shards)
        origins.write(finished / ORIGINS)
        write_json(finished / "manifest.json", _manifest(raw, raws, totals, origins))
        publish(finished, out)
        write_json(metrics, totals.metrics())
        _write_rules(plot, totals)
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(totals.dropped.items()))
    log.info(
        "%d documents, %.1f MB; left out: %s",
        totals.documents,
        totals.bytes / 1e6,
        dropped or "none",
    )


def _test_sets(config: Jsonl) -> list[Path]:
    """Returns the files of the test sets that any source's rules name."""
    names = [*config.decontaminate]
    for own in config.sources.values():
        names += own.get("decontaminate", [])
    return list(map(Path, dict.fromkeys(names)))


class Conversion:
    """The sources of a run and the rules for each."""

    def __init__(
        self,
        config: Jsonl,
        runtime: Runtime,
        raws: list[RawMember],
        opt_out: OptOut,
        work: Path,
        fewest: int,
    ) -> None:
        self.config = config
        self.fewest = fewest
        self.runtime = runtime
        self.raws = raws
        self.opt_out = opt_out
        self.work = work
        self.read: dict[str, Counter[tuple[str, str]]] = {}

    def run(self, out: Path) -> tuple[Totals, Origins]:
        """Writes the shards to the work directory, and dropped.jsonl to `out`."""
        members = [
            Member(raw.name, self._rules(raw).weight, self._prepare(raw)) for raw in self.raws
        ]
        duplicates = find_duplicates(members, self.config.near_duplicates, self.work)
        never_came = filter(Path.is_file, (raw.folder / DROPPED for raw in self.raws))
        documents = mixed(members, duplicates)
        ledger = write_corpus(documents, self.config, self.runtime, self.work, out, never_came)
        totals, origins, dropped = ledger.totals, ledger.origins, ledger.dropped_of
        totals.read = self.read
        check_opt_out(self.opt_out.entries, ledger.opted_out)
        for raw in self.raws:
            totals.dropped.update(raw.facts.get("dropped", {}))
        check_enough(totals, self.fewest, out / "dropped.jsonl")
        for raw in self.raws:
            kept = totals.sources.get(raw.name, {"documents": 0})["documents"]
            self._check_lost(raw, Totals(dropped=dropped.get(raw.name, Counter())), kept, out)
        return totals, origins

    def _rules(self, raw: RawMember) -> Jsonl:
        return rules_of(self.config, raw.name) if raw.in_mix else self.config

    def _prepare(self, raw: RawMember) -> list[Path]:
        rules = self._rules(raw)
        book = Rulebook(rules, self.opt_out, self.config.near_duplicates is not None)
        folder = self.work / "prepared" / raw.name
        return prepare(self._units(raw, rules), book, self.runtime, folder, raw.name)

    def _units(self, raw: RawMember, rules: Jsonl) -> Iterable[Unit]:
        label = raw.name if raw.in_mix else None
        if raw.holds_rows:
            where = f"jsonl.sources.{raw.name}" if raw.in_mix else "jsonl"
            read = self.read.setdefault(raw.name, Counter())
            return row_units(raw.folder, rules, label, where, read, self.runtime.decoder_bytes)
        return file_units(raw.folder, label)

    def _check_lost(self, raw: RawMember, lost: Totals, kept: int, out: Path) -> None:
        own = "max_lost_share" in self.config.sources.get(raw.name, {})
        key = f"jsonl.sources.{raw.name}.max_lost_share" if own else "jsonl.max_lost_share"
        share = self._rules(raw).max_lost_share
        check_lost(raw.name, lost, kept, key, share, out / "dropped.jsonl")


def _manifest(raw: Path, raws: list[RawMember], totals: Totals, origins: Origins) -> dict[str, Any]:
    return {
        "raw_manifest_sha256": file_sha256(raw / MANIFEST),
        "sources": {member.name: member.facts for member in raws},
        "licenses": origins.licenses(),
        "shards": [asdict(shard) for shard in totals.shards],
    }


def _write_rules(path: Path, totals: Totals) -> None:
    """Writes the table of rules: how many documents each dropped, and the bytes of their texts (0
    for a file that was never fetched).
    """
    with atomic_write(path, "w") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["rule", "documents", "bytes"])
        for rule, documents in sorted(totals.dropped.items(), key=lambda item: (-item[1], item[0])):
            rows.writerow([rule, documents, totals.dropped_bytes[rule]])
