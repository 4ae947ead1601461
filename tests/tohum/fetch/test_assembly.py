from pathlib import Path

import numpy
import pytest

from tests.tohum.fetch.test_contents import files
from tohum.fetch.assembly import KINDS, Assembler
from tohum.fetch.journal import Journal
from tohum.fetch.pool import Segment
from tohum.fetch.row_rules import row_keys
from tohum.fetch.selection import FileRows, SegmentRows
from tohum.fetch.stored import Stored
from tohum.formats import raw as raw_module
from tohum.formats.outcomes import KEPT, MISSING
from tohum.formats.raw import Written, read_raw

SEGMENTS, ROWS = 6, 10
FILE_ROWS = FileRows([], {}, "software_heritage", "a/b")


def segment(folder: Path, number: int, stored: Stored) -> Segment:
    """Ten rows: two that a rule leaves out, one missing, one stored, six that come."""
    verdict = numpy.zeros(ROWS, numpy.uint8)
    verdict[:2] = 3
    names = [f"{number}-{place}" for place in range(ROWS)]
    taken = {place: {"id": names[place], "path": f"/{names[place]}.py"} for place in range(2, ROWS)}
    there = {8: stored.find(row_keys(["stored"]))[0]}
    wanted = {place: row for place, row in taken.items() if place not in there}
    found = Segment(number, wanted, SegmentRows(verdict, names, taken, there))
    found.journal = Journal(folder / f"{number}.journal")
    for place in reversed(wanted):
        if place not in found.journal:
            kind, payload = KEPT, row_keys([names[place]]) + names[place].encode() * 50
            if place == 5:
                kind, payload = MISSING, b"HTTP 404"
            found.journal.append(place, KINDS.index(kind), payload)
    return found


def stored_one(folder: Path) -> Stored:
    """A store with the content of one row, in a journal."""
    folder.mkdir(exist_ok=True)
    journal = Journal(folder / "earlier.journal")
    if 0 not in journal:
        journal.append(0, KINDS.index(KEPT), row_keys(["stored"]) + b"from a store\n")
    journal.close()
    return Stored(folder / "index", [], [folder / "earlier.journal"])


def assemble(root: Path, *stops: int) -> tuple[dict[str, bytes], Written]:
    """Files and totals of assemblers that each end, as if killed, after so many segments."""
    out, journals = root / "out", root / "journals"
    for folder in (root, out, journals):
        folder.mkdir(exist_ok=True)
    stored = stored_one(root / "stored")
    for stop in stops:
        assembler = Assembler(root, out, FILE_ROWS, stored)
        for number in range(assembler.state.segment, SEGMENTS)[:stop]:
            assembler.add(segment(journals, number, stored))
        assembler.writer._manifest.flush()  # as the system may have written it, or not
    with Assembler(root, out, FILE_ROWS, stored) as assembler:
        for number in range(assembler.state.segment, SEGMENTS):
            assembler.add(segment(journals, number, stored))
    stored.close()
    assert list(journals.iterdir()) == []
    return files(out), assembler.writer.written


@pytest.mark.parametrize("archive_bytes", [1, 3000, 9000, 1 << 30])
@pytest.mark.parametrize("stops", [(1,), (2, 1), (1, 2, 1), (3, 0, 3)])
def test_an_assembler_continues_where_the_last_one_was(
    tmp_path: Path, archive_bytes: int, stops: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "ARCHIVE_BYTES", archive_bytes)
    calm = assemble(tmp_path / "calm")
    assert assemble(tmp_path / "killed", *stops) == calm
    written = calm[1]
    assert written.files == SEGMENTS * 7
    assert written.dropped == {"vendored": SEGMENTS * 2, MISSING: SEGMENTS}
    found = [content for _, content in read_raw(tmp_path / "killed" / "out")]
    assert found.count(b"from a store\n") == SEGMENTS
    assert found[0] == b"0-2" * 50
