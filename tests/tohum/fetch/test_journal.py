import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fetch.journal import HEADER_BYTES, Journal

Result = tuple[int, int, bytes]
RESULTS = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 255), st.binary(max_size=40)),
    min_size=1,
    max_size=8,
    unique_by=lambda result: result[0],
)


def write(path: Path, results: list[Result]) -> bytes:
    """Writes a journal and returns the bytes of its file."""
    journal = Journal(path)
    for index, kind, payload in results:
        journal.append(index, kind, payload)
    journal.close()
    return path.read_bytes()


def whole_before(results: list[Result], position: int) -> list[Result]:
    """The results whose records end at or before a position in the file."""
    found, end = [], 0
    for index, kind, payload in results:
        end += HEADER_BYTES + len(payload)
        if end > position:
            break
        found.append((index, kind, payload))
    return found


def check_holds(path: Path, results: list[Result]) -> None:
    """Opens a journal, compares it, appends to it, and compares it again after reopening."""
    journal = Journal(path)
    assert len(journal) == len(results)
    assert all(journal.read(index) == (kind, payload) for index, kind, payload in results)
    unused = max((index for index, _, _ in results), default=0) // 2 + 1
    while unused in journal:
        unused += 1
    journal.append(unused, 7, b"appended")
    journal.close()
    again = Journal(path)
    assert len(again) == len(results) + 1
    assert again.read(unused) == (7, b"appended")
    assert all(again.read(index) == (kind, payload) for index, kind, payload in results)
    again.close()


@given(RESULTS, st.data())
def test_a_cut_at_any_byte_leaves_the_whole_records_before_it(
    results: list[Result], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        written = write(path, results)
        cut = data.draw(st.integers(0, len(written)))
        path.write_bytes(written[:cut])
        check_holds(path, whole_before(results, cut))


@given(RESULTS, st.data())
def test_a_changed_byte_anywhere_leaves_the_whole_records_before_it(
    results: list[Result], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        written = bytearray(write(path, results))
        place = data.draw(st.integers(0, len(written) - 1))
        written[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(written)
        check_holds(path, whole_before(results, place))


@pytest.mark.parametrize("size", [1, HEADER_BYTES, 4096])
def test_zeros_at_the_end_are_no_record(tmp_path: Path, size: int) -> None:
    """A file system may leave them after the power has failed."""
    written = write(tmp_path / "journal", [(5, 0, b"kept")])
    (tmp_path / "journal").write_bytes(written + bytes(size))
    check_holds(tmp_path / "journal", [(5, 0, b"kept")])


def test_an_empty_payload_is_a_result(tmp_path: Path) -> None:
    write(tmp_path / "journal", [(0, 4, b""), (1, 0, b"a")])
    journal = Journal(tmp_path / "journal")
    assert 0 in journal and 1 in journal and 2 not in journal
    assert journal.read(0) == (4, b"")
    journal.close()


def test_a_later_result_of_an_index_replaces_the_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "journal", [(0, 6, b"away"), (1, 0, b"a"), (0, 0, b"there")])
    journal = Journal(tmp_path / "journal")
    assert journal.read(0) == (0, b"there")
    assert journal.places() == {0, 1} and journal.places(without={0}) == set()
    journal.close()


def test_what_several_threads_append_is_all_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")

    def payload(index: int) -> bytes:
        return index.to_bytes(2, "little") * (index % 300)

    def append(first: int) -> None:
        for index in range(first, 1600, 8):
            journal.append(index, index % 6, payload(index))
            assert journal.read(index) == (index % 6, payload(index))

    threads = [threading.Thread(target=append, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    again = Journal(tmp_path / "journal")
    assert len(again) == 1600
    assert all(again.read(index) == (index % 6, payload(index)) for index in range(1600))
    again.close()
