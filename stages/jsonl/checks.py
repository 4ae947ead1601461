"""Checks the result: some documents must be left, and few enough lost."""

import logging
from collections import Counter
from collections.abc import Container
from pathlib import Path

import orjson

from tohum.errors import UserError
from tohum.formats.outcomes import BROKEN, LOST, Totals

log = logging.getLogger(__name__)

INSPECT = " `tohum inspect PATH` shows what is in a data file and proposes jsonl.fields for it."


def check_not_empty(totals: Totals, dropped: Path) -> None:
    """Raises a UserError when no document is left.

    Args:
        dropped: dropped.jsonl, for an example.
    """
    if totals.documents:
        return
    raise UserError(
        f"the corpus is empty: none of {totals.files} documents made a record "
        f"({_listed(totals.dropped) or 'there were none'}).{_example(dropped, totals.dropped)} "
        "Check the source, and the rules in the section jsonl."
        f"{INSPECT if _rows(totals) else ''}"
    )


def check_lost(source: str, lost: Totals, documents: int, share: float, dropped: Path) -> None:
    """Raises a UserError when more of a source is lost than is tolerated.

    Args:
        lost: what was dropped from the source.
        documents: how many documents were kept.
        share: how much of the two together may be lost.
        dropped: dropped.jsonl, for an example.
    """
    wanted = documents + lost.lost
    if lost.lost <= share * wanted:
        return
    reasons = _listed(Counter({reason: lost.dropped[reason] for reason in LOST}))
    raise UserError(
        f"{lost.lost} of {wanted} documents of '{source}' are lost ({reasons}), more than "
        f"jsonl.max_lost_share ({share:.1%}) allows.{_example(dropped, LOST)} {dropped} lists them "
        f"all.{INSPECT if _rows(lost) else ''} Raise the share to continue without them; finished "
        "work is kept."
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
