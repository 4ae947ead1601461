"""Checks the result: some documents must be left, and few enough lost."""

import logging
from collections import Counter
from collections.abc import Container
from pathlib import Path

import orjson

from tohum.errors import UserError
from tohum.formats.outcomes import BROKEN, LOST, Totals

log = logging.getLogger(__name__)

ALWAYS_TOLERATED = 3  # lost documents, however few there are; unless the share is 0
INSPECT = " `tohum inspect PATH` shows what is in a data file and proposes jsonl.fields for it."


def check_enough(totals: Totals, fewest: int, dropped: Path) -> None:
    """Raises a UserError when fewer documents are left than needed.

    Args:
        fewest: how many different ones are needed.
        dropped: dropped.jsonl, for an example.
    """
    left = totals.documents - totals.copies
    if left >= fewest:
        return
    found = "is empty: none"
    if left:
        found = f"has {left}, expected at least {fewest}, as one is held out for validation: {left}"
    raise UserError(
        f"the corpus {found} of {totals.files} documents made a record "
        f"({_listed(totals.dropped) or 'there were none'}).{_example(dropped, totals.dropped)} "
        "Check the source, and the rules in the section jsonl."
        f"{INSPECT if _rows(totals) else ''}"
    )


def check_lost(
    source: str, lost: Totals, documents: int, key: str, share: float, dropped: Path
) -> None:
    """Reports what is lost of a source, and raises a UserError when that is more than is tolerated:
    the share, or a few of a small source, as long as more are kept.

    Args:
        lost: what was dropped from the source.
        documents: how many documents were kept.
        key: what sets the share for the source.
        share: how much of the two together may be lost.
        dropped: dropped.jsonl, for an example.
    """
    if not lost.lost:
        return
    wanted = documents + lost.lost
    few = share > 0 and lost.lost <= ALWAYS_TOLERATED and lost.lost < documents
    reasons = _listed(Counter({reason: lost.dropped[reason] for reason in LOST}))
    told = f"{lost.lost} of {wanted} documents of '{source}' are lost ({reasons})"
    if few or lost.lost <= share * wanted:
        log.warning("%s.%s dropped.jsonl lists them all", told, _example(dropped, LOST))
        return
    raise UserError(
        f"{told}, more than {key} ({share:.1%}) allows.{_example(dropped, LOST)} {dropped} lists "
        f"them all.{INSPECT if _rows(lost) else ''} Raise the share to continue without them; "
        "finished work is kept."
    )


def check_opt_out(entries: dict[int, str], matched: set[int]) -> None:
    """Reports each entry of conf/opt_out.txt, by the number of its line, that matched nothing."""
    for number, entry in entries.items():
        if number not in matched:
            log.warning(
                "conf/opt_out.txt, line %d: `%s` matches no document of this corpus: check its "
                "spelling if it should",
                number,
                entry,
            )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if count)


def _rows(totals: Totals) -> bool:
    """Whether rows of data files were dropped, which jsonl.fields could fix."""
    return totals.dropped[BROKEN] > 0


def _example(dropped: Path, reasons: Container[str]) -> str:
    with dropped.open("rb") as lines:
        for line in lines:
            entry = orjson.loads(line)
            if entry["reason"] in reasons:
                where = entry.get("path") or entry["id"]
                return f" The first: {where}: {entry.get('detail') or entry['reason']}."
    return ""
