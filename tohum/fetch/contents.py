"""Turns rows that name files into archives: selects, fetches, verifies, writes in input order.

A killed run leaves this in the work directory for the next to resume: `verdicts.bin` with the mark
`selection.json` (the first pass over the rows), the journals of the current segments, finished
archives, and their mark `assembled.json`, which says how far the archives go. None of it depends on
the order in which files arrived.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tohum.config.runtime import Runtime
from tohum.errors import UserError
from tohum.fetch.assembly import STATE, Assembled, Assembler
from tohum.fetch.attempts import gather_all
from tohum.fetch.config import RowRules
from tohum.fetch.pool import Counters, Pool
from tohum.fetch.row_fetcher import OPEN_KINDS, row_fetcher
from tohum.fetch.row_tables import ROWS
from tohum.fetch.segment_tasks import FetchSetup, fetch_on_cluster
from tohum.fetch.selection import FileRows, Selection, segments, select
from tohum.fetch.stored import Stored
from tohum.formats.outcomes import LOST
from tohum.formats.raw import DROPPED, Written
from tohum.progress import progress_bar
from tohum.translation import translated_label

log = logging.getLogger(__name__)


def fetch_contents(
    rows: FileRows, rules: RowRules, runtime: Runtime, work: Path, out: Path, stored: Stored
) -> Written:
    """Writes the files that the rows name to `out` as archives, resuming where it was.

    Contents that are already `stored` are not requested. `out` and `work` keep what they have if
    the process ends early.

    Raises:
        UserError: the store can't be reached.
    """
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    selection = select(rows, rules, work)
    log.info(
        "%d rows, %d to take (%.1f MB where sizes are known)",
        selection.rows,
        selection.wanted,
        selection.bytes / 1e6,
    )
    with closing(stored), Assembler(work, out, rows, stored) as assembler:
        coming = segments(rows, work, stored, assembler.state.segment)
        if rows.content == "inline":
            for segment in coming:
                assembler.add(segment)
            return assembler.writer.written
        journals = work / "journals"
        journals.mkdir(exist_ok=True)
        gather_all(journals, assembler.state.segment, OPEN_KINDS)
        counters = Counters()
        with _progress(selection, counters, assembler, runtime) as (bar, show):
            if runtime.cluster is not None:
                setup = FetchSetup(rows.content, runtime, journals, work / "pauses")
                for segment in fetch_on_cluster(setup, work, coming, counters, bar):
                    assembler.add(segment)
                    show()
                return assembler.writer.written
            ahead = max(4 * runtime.connections, 4 * ROWS)
            fetcher = row_fetcher(rows.content, runtime)
            pool = Pool(fetcher, journals, ahead, OPEN_KINDS, counters=counters)
            with pool.running():
                for segment in pool.results(coming):
                    assembler.add(segment)
                    show()
    return assembler.writer.written


@contextmanager
def _progress(
    selection: Selection, counters: Counters, assembler: Assembler, runtime: Runtime
) -> Iterator[tuple["tqdm[Any]", Callable[[], None]]]:
    """Shows files and megabytes per second, lost files and the time left."""
    with progress_bar("fetch", "file", runtime.progress, total=selection.wanted) as bar:
        lost = translated_label("lost")

        def show() -> None:
            seconds = max(0.001, bar.format_dict["elapsed"])
            speed = f"{counters.bytes / 1e6 / seconds:.1f} MB/s"
            bar.set_postfix_str(f"{speed}, {assembler.lost} {lost}", refresh=False)
            # a cluster has moved it on already, by what was fetched out of order too
            bar.update(max(0, counters.rows + assembler.taken_from_store - bar.n))

        yield bar, show


def is_short(written: Written, share: float) -> bool:
    """Whether more than that share of the wanted files is lost."""
    lost = sum(written.dropped.get(reason, 0) for reason in LOST)
    return lost > share * (written.files + lost)


def check_lost(dataset: str, written: Written, share: float, section: str, out: Path) -> None:
    """Raises a UserError if no file came, or if more are lost than is tolerated.

    Args:
        share: the share of the wanted files that may be lost.
        section: the name of the source's section, for messages.
        out: the folder with dropped.jsonl.
    """
    dropped = written.dropped
    lost = sum(dropped.get(reason, 0) for reason in LOST)
    if is_short(written, share):
        counts = ", ".join(f"{dropped[reason]} {reason}" for reason in LOST if reason in dropped)
        raise UserError(
            f"{lost} of {written.files + lost} files of '{dataset}' are lost ({counts}), more than "
            f"{section}.max_lost_share ({share:.1%}) allows.{_first_lost(out / DROPPED)} "
            f"{out / DROPPED} lists them. Run `dvc repro` again to request them once more, or "
            "raise the share to continue without them: what has been fetched is kept."
        )
    if not written.files:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
        raise UserError(
            f"'{dataset}' has no files to train on: none of its {sum(dropped.values())} rows gives "
            f"one ({counts or 'there are none'}). Check the rules and the columns of {section}."
        )


def _first_lost(path: Path) -> str:
    with path.open("rb") as lines:
        for line in map(json.loads, lines):
            if line["reason"] in LOST:
                return f" The first: {line['id']}: {line.get('detail') or line['reason']}."
    return ""


def fell_short(work: Path, share: float) -> bool:
    """Whether an earlier process finished but lost more than that share."""
    state = Assembled.read(work / STATE)
    return state.complete and is_short(state.written, share)
