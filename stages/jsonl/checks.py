"""Whether what came out may pass: some documents, and few enough lost."""

from pathlib import Path

import orjson

from stages.errors import UserError
from stages.outcomes import LOST, Totals


def check_not_empty(totals: Totals) -> None:
    """Raises a UserError when no document is left."""
    if totals.documents:
        return
    raise UserError(
        f"the corpus is empty: of {totals.files} documents none made a record "
        f"({dict(totals.dropped)}). Check the source, and the rules of the section jsonl."
    )


def check_lost(source: str, lost: Totals, documents: int, share: float, dropped: Path) -> None:
    """Raises a UserError when more of a source is lost than is tolerated.

    Args:
        lost: what was dropped of the source.
        documents: what was kept of it.
        share: how much of both may be lost.
        dropped: dropped.jsonl, for an example.
    """
    wanted = documents + lost.lost
    if lost.lost <= share * wanted:
        return
    told = ", ".join(f"{lost.dropped[reason]} {reason}" for reason in LOST if lost.dropped[reason])
    raise UserError(
        f"{lost.lost} of {wanted} documents of '{source}' are lost ({told}), more than "
        f"jsonl.max_lost_share ({share:.1%}) allows.{_example(dropped)} {dropped} lists them all. "
        "Raise the share to go on without them (what has been done is kept), or delete .work/jsonl "
        "and .work/fetched to try all again."
    )


def _example(dropped: Path) -> str:
    with dropped.open("rb") as lines:
        for line in lines:
            entry = orjson.loads(line)
            if entry["reason"] in LOST:
                where = entry.get("path") or entry["id"]
                return f" The first: {where}: {entry.get('detail') or entry['reason']}."
    return ""
