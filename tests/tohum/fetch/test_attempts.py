from pathlib import Path

import pytest

from tohum.fetch.attempts import done_places, gather, gather_all, journals_of
from tohum.fetch.journal import Journal, journal_path

OPEN, KEPT = 2, 0


def write(folder: Path, writer: str, results: dict[int, tuple[int, bytes]], number: int = 3) -> str:
    journal = Journal(journal_path(folder, number, writer))
    for index, (kind, payload) in results.items():
        journal.append(index, kind, payload)
    journal.close()
    return journal.path.name


def taken(journal: Journal) -> dict[int, tuple[int, bytes]]:
    found = {index: journal.read(index) for index in sorted(journal.places())}
    journal.close()
    return found


def test_a_complete_attempt_becomes_the_journal(tmp_path: Path) -> None:
    own = write(tmp_path, ".a", {0: (KEPT, b"x"), 1: (KEPT, b"y")})
    found = gather(tmp_path, 3, own, [], {OPEN})
    assert taken(found) == {0: (KEPT, b"x"), 1: (KEPT, b"y")}
    assert [path.name for path in tmp_path.iterdir()] == ["segment-00000003.journal"]


def test_what_a_killed_attempt_has_is_not_lost(tmp_path: Path) -> None:
    killed = write(tmp_path, ".a", {0: (KEPT, b"x"), 1: (KEPT, b"y")})
    with (tmp_path / killed).open("r+b") as file:
        file.truncate((tmp_path / killed).stat().st_size - 1)
    assert done_places(journals_of(tmp_path, 3), {OPEN}) == {0}
    own = write(tmp_path, ".b", {1: (KEPT, b"z")})
    assert taken(gather(tmp_path, 3, own, [killed], {OPEN})) == {0: (KEPT, b"x"), 1: (KEPT, b"z")}
    assert len(list(tmp_path.iterdir())) == 1


def test_an_attempt_that_still_writes_changes_nothing(tmp_path: Path) -> None:
    late = Journal(journal_path(tmp_path, 3, ".a"))
    late.append(0, KEPT, b"x")
    own = write(tmp_path, ".b", {1: (KEPT, b"y")})
    found = gather(tmp_path, 3, own, [late.path.name], {OPEN})
    before = found.path.read_bytes()
    late.append(1, KEPT, b"other")
    late.append(2, KEPT, b"more")
    late.close()
    assert found.path.read_bytes() == before
    assert taken(found) == {0: (KEPT, b"x"), 1: (KEPT, b"y")}


def test_a_result_replaces_an_open_one_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, "", {0: (OPEN, b"why"), 1: (KEPT, b"x"), 2: (OPEN, b"why")})
    assert done_places(journals_of(tmp_path, 3), {OPEN}) == {1}
    own = write(tmp_path, ".a", {0: (KEPT, b"y"), 1: (OPEN, b"not now"), 2: (OPEN, b"again")})
    assert taken(gather(tmp_path, 3, own, ["segment-00000003.journal"], {OPEN})) == {
        0: (KEPT, b"y"),
        1: (KEPT, b"x"),
        2: (OPEN, b"why"),
    }


@pytest.mark.parametrize("number", [3, 123_456_789])
def test_the_journals_of_other_segments_are_not_touched(tmp_path: Path, number: int) -> None:
    others = {write(tmp_path, ".a", {0: (KEPT, b"x")}, each) for each in (4, 30, 1_234_567_890)}
    own = write(tmp_path, ".a", {0: (KEPT, b"x")}, number)
    gather(tmp_path, number, own, [], {OPEN}).close()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*others, journal_path(tmp_path, number).name}


def test_a_new_run_gathers_what_a_killed_one_has_left(tmp_path: Path) -> None:
    write(tmp_path, ".a", {0: (KEPT, b"x")}, 1)
    write(tmp_path, ".a", {0: (KEPT, b"x")}, 2)
    write(tmp_path, ".b", {1: (KEPT, b"y")}, 2)
    write(tmp_path, "", {2: (KEPT, b"z")}, 2)
    gather_all(tmp_path, 2, {OPEN})
    assert [path.name for path in tmp_path.iterdir()] == ["segment-00000002.journal"]
    found = Journal(journal_path(tmp_path, 2))
    assert taken(found) == {0: (KEPT, b"x"), 1: (KEPT, b"y"), 2: (KEPT, b"z")}
