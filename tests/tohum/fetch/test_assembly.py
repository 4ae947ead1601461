from pathlib import Path
from typing import Any

import numpy
import pytest

from stages.jsonl.config import Jsonl
from tests.tohum.fetch.test_fetching import CONFIG
from tohum.fetch.assembly import KINDS, SIZE_BYTES, Assembler
from tohum.fetch.journal import Journal
from tohum.fetch.pool import Segment
from tohum.formats.outcomes import KEPT, MISSING

SEGMENTS, ROWS = 6, 10


def segment(folder: Path, number: int) -> Segment:
    """Ten rows: two that a rule leaves out, one that is missing, seven that are kept."""
    verdict = numpy.zeros(ROWS, numpy.uint8)
    verdict[:2] = 3
    names = [f"{number}-{place}" for place in range(ROWS)]
    found = Segment(number, dict.fromkeys(range(2, ROWS)), rest=(verdict, names))
    found.journal = Journal(folder / f"{number}.journal")
    for place in reversed(range(2, ROWS)):
        line = b'{"content":"%b"}\n' % names[place].encode()
        kept = len(names[place]).to_bytes(SIZE_BYTES, "little") + line
        if place not in found.journal:
            kind, payload = (MISSING, b"HTTP 404") if place == 5 else (KEPT, kept)
            found.journal.append(place, KINDS.index(kind), payload)
    return found


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def assemble(root: Path, config: Jsonl, *stops: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Outputs and metrics of assemblers that each end, as if killed, after so many segments."""
    out, journals = root / "out", root / "journals"
    for folder in (root, out, journals):
        folder.mkdir(exist_ok=True)
    for stop in (*stops, SEGMENTS):
        assembler = Assembler(root, out, config)
        for number in range(assembler.state.segment, SEGMENTS)[:stop]:
            assembler.add(segment(journals, number))
    totals = assembler.finish()
    assert list(journals.iterdir()) == []
    return files(out), totals.metrics()


@pytest.mark.parametrize("shard_bytes", [1, 60, 200, None])
@pytest.mark.parametrize("stops", [(1,), (2, 1), (1, 2, 1), (3, 0, 3)])
def test_an_assembler_goes_on_where_the_last_one_was(
    tmp_path: Path, shard_bytes: int | None, stops: tuple[int, ...]
) -> None:
    config = Jsonl(**{**vars(CONFIG), "shard_bytes": shard_bytes})
    calm = assemble(tmp_path / "calm", config)
    assert assemble(tmp_path / "killed", config, *stops) == calm
    assert calm[1]["files"] == SEGMENTS * ROWS
    assert calm[1]["documents"] == SEGMENTS * 7 and calm[1]["missing"] == SEGMENTS
