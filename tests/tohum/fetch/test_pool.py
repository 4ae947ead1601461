import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.blobs import contents, sample_blobs
from tests.fakes.content_store import FakeContentStore, Fault
from tests.fakes.faults import FOREVER
from tests.tohum.fetch.looping import result, store_fetcher
from tohum.fetch.journal import Journal
from tohum.fetch.pool import MOST_OPEN_SEGMENTS, Done, Pool, Segment, Tasks

Rows = list[dict[int, str]]
Work = Callable[[str], tuple[int, bytes]]


def echo(row: str) -> tuple[int, bytes]:
    """The work of these tests; it takes a random time."""
    time.sleep(random.choice((0, 0, 0.001)))
    return len(row) % 250, row.encode()


class Threads:
    """Works on rows in several threads, which end out of order."""

    def __init__(self, runners: int, work: Work = echo) -> None:
        self.runners = runners
        self.work = work
        self.ended = threading.Semaphore(0)

    def run(self, tasks: Tasks, done: Done) -> None:
        try:
            while (task := tasks.get()) is not None:
                done(task, *self.work(task[2]))
        finally:
            self.ended.release()

    def wait_for_end(self) -> None:
        for _ in range(self.runners):
            assert self.ended.acquire(timeout=5)


def pool_of(folder: Path, threads: int, work: Work = echo, ahead: int = 50) -> Pool:
    return Pool(Threads(threads, work), folder, ahead)


def run(pool: Pool, rows: Rows) -> list[tuple[int, dict[int, tuple[int, bytes]]]]:
    """The results of each segment with its number, in the order in which they come."""
    found = []
    with pool.running():
        for segment in pool.results(Segment(number, wanted) for number, wanted in enumerate(rows)):
            journal = segment.journal
            results = {place: journal.read(place) for place in segment.wanted} if journal else {}
            found.append((segment.number, results))
            if journal:
                journal.close()
    return found


def expected(rows: Rows) -> list[tuple[int, dict[int, tuple[int, bytes]]]]:
    return [
        (number, {place: echo(row) for place, row in wanted.items()})
        for number, wanted in enumerate(rows)
    ]


def wait_for_end(pool: Pool) -> None:
    assert isinstance(pool.fetcher, Threads)
    pool.fetcher.wait_for_end()


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.dictionaries(st.integers(0, 99), st.text(max_size=5), max_size=12), max_size=20),
    st.sampled_from([1, 3, 16]),
    st.sampled_from([1, 10, 1000]),
)
def test_output_order_is_input_order(rows: Rows, threads: int, ahead: int) -> None:
    with TemporaryDirectory() as folder:
        pool = pool_of(Path(folder), threads, ahead=ahead)
        assert run(pool, rows) == expected(rows)
        wait_for_end(pool)


def test_one_slow_row_holds_no_other_segment_up(tmp_path: Path) -> None:
    others_done = threading.Event()

    def work(row: str) -> tuple[int, bytes]:
        if row == "slow":
            assert others_done.wait(5)
        if row == "last":
            others_done.set()
        return 0, row.encode()

    rows = [{0: "slow"}, *[{0: str(number)} for number in range(10)], {0: "last"}]
    assert [number for number, _ in run(pool_of(tmp_path, 2, work), rows)] == list(range(12))


def test_an_error_in_a_thread_is_raised_in_the_caller_and_all_threads_end(tmp_path: Path) -> None:
    def work(row: str) -> tuple[int, bytes]:
        if row == "bad":
            raise ValueError("a bad row")
        return 0, b""

    pool = pool_of(tmp_path, 4, work)
    rows = [dict.fromkeys(range(20), "good"), {0: "bad"}, dict.fromkeys(range(20), "good")]
    with pytest.raises(ValueError, match="a bad row"):
        run(pool, rows * 10)
    wait_for_end(pool)


def test_an_error_before_the_first_row_is_raised_in_the_caller(tmp_path: Path) -> None:
    class Refusing(Threads):
        def run(self, tasks: Tasks, done: Done) -> None:
            raise OSError("no source")

    with pytest.raises(OSError, match="no source"):
        run(Pool(Refusing(3), tmp_path, 10), [{0: "a"}])


def test_an_error_in_the_caller_ends_all_threads(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 4)
    with pytest.raises(KeyError), pool.running():
        raise KeyError
    wait_for_end(pool)


def test_what_a_journal_has_is_not_worked_on_again(tmp_path: Path) -> None:
    rows = [{place: f"{number} {place}" for place in range(30)} for number in range(4)]
    journal = Journal(tmp_path / "segment-00000001.journal")
    for place in range(0, 30, 3):
        journal.append(place, *echo(rows[1][place]))
    journal.close()
    worked: list[str] = []

    def work(row: str) -> tuple[int, bytes]:
        worked.append(row)
        return echo(row)

    assert run(pool_of(tmp_path, 3, work), rows) == expected(rows)
    there = {rows[1][place] for place in range(0, 30, 3)}
    assert sorted(worked) == sorted(
        row for wanted in rows for row in wanted.values() if row not in there
    )
    worked.clear()
    assert run(pool_of(tmp_path, 3, work), rows) == expected(rows)
    assert worked == []


def test_results_of_an_open_kind_are_worked_on_again(tmp_path: Path) -> None:
    """What was unreachable may be there today; the new result counts, in this run and the next."""
    journal = Journal(tmp_path / "segment-00000000.journal")
    for place, kind in enumerate((6, 1, 6)):
        journal.append(place, kind, b"before")
    journal.close()
    worked: list[str] = []

    def work(row: str) -> tuple[int, bytes]:
        worked.append(row)
        return 0, row.encode()

    rows = [{0: "a", 1: "b", 2: "c"}]
    found = [(0, {0: (0, b"a"), 1: (1, b"before"), 2: (0, b"c")})]
    assert run(Pool(Threads(2, work), tmp_path, 50, open_kinds={6}), rows) == found
    assert sorted(worked) == ["a", "c"]
    assert run(Pool(Threads(2, work), tmp_path, 50, open_kinds={6}), rows) == found
    assert sorted(worked) == ["a", "c"]


def test_many_empty_segments_come_in_order_and_make_no_file(tmp_path: Path) -> None:
    rows: Rows = [{} for _ in range(20 * MOST_OPEN_SEGMENTS)]
    rows[100] = {3: "a"}
    rows[-1] = {0: "b", 9: "c"}
    assert run(pool_of(tmp_path, 2), rows) == expected(rows)
    assert len(list(tmp_path.iterdir())) == 2


def test_no_segment_at_all_is_no_result(tmp_path: Path) -> None:
    assert run(pool_of(tmp_path, 2), []) == []


def test_only_a_few_segments_are_begun_ahead_of_the_caller(tmp_path: Path) -> None:
    drawn: list[int] = []
    pool = pool_of(tmp_path, 2, ahead=10)

    def coming() -> Iterator[Segment]:
        for number in range(100):
            drawn.append(number)
            yield Segment(number, dict.fromkeys(range(5), "a"))

    with pool.running():
        for segment in pool.results(coming()):
            assert drawn[-1] - segment.number <= 2
            assert segment.journal is not None
            segment.journal.close()


def test_rows_that_are_only_held_count_as_in_hand(tmp_path: Path) -> None:
    drawn: list[int] = []
    pool = pool_of(tmp_path, 2, ahead=10)

    def coming() -> Iterator[Segment]:
        for number in range(100):
            drawn.append(number)
            yield Segment(number, {}, held=5)

    with pool.running():
        for segment in pool.results(coming()):
            assert drawn[-1] - segment.number <= 2


BLOBS = list({blob.blob_id: blob for blob in sample_blobs(200)}.values())
ROWS: Rows = [
    {place: blob.blob_id for place, blob in enumerate(BLOBS[start : start + 20])}
    for start in range(0, len(BLOBS), 20)
]


def fetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fetch-")]


def wait_for_no_thread() -> None:
    for thread in fetch_threads():
        thread.join(1)
        assert not thread.is_alive()


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_what_a_store_gives_is_in_input_order(tmp_path: Path, connections: int) -> None:
    with FakeContentStore(contents(BLOBS), latency=0.002) as store:
        found = run(Pool(store_fetcher(store.content_url, connections), tmp_path, 100), ROWS)
        assert store.max_concurrent <= connections
    texts = [blob.content for blob in BLOBS]
    assert [payload for _, results in found for _, payload in results.values()] == texts
    assert [number for number, _ in found] == list(range(len(ROWS)))
    wait_for_no_thread()


def requests_in_the_end(store: FakeContentStore) -> int:
    """How many requests the store has had once no more come; what was sent may still arrive."""
    asked = len(store.requests)
    for _ in range(50):
        time.sleep(0.1)
        before, asked = asked, len(store.requests)
        if asked == before:
            return asked
    raise AssertionError(f"requests still come: {asked} so far")


@pytest.mark.parametrize("fault", [None, Fault.STALLED, Fault.INTERNAL_ERROR])
def test_the_fetcher_ends_with_the_callers_block(tmp_path: Path, fault: Fault | None) -> None:
    with FakeContentStore(contents(BLOBS), latency=0.02) as store:
        if fault is not None:
            store.fail(fault, FOREVER)
        pool = Pool(store_fetcher(store.content_url, 4, 60), tmp_path, 1000)
        with pytest.raises(KeyError), pool.running():
            coming = pool.results(Segment(number, row) for number, row in enumerate(ROWS))
            if fault is None:
                next(coming)
            else:
                for number, row in enumerate(ROWS):
                    pool._begin(Segment(number, row))
                time.sleep(0.2)
            raise KeyError
        wait_for_no_thread()
        asked = requests_in_the_end(store)
        assert fault is not None or asked < len(BLOBS)


def test_an_error_in_the_work_of_a_fetcher_is_raised_and_ends_it(tmp_path: Path) -> None:
    def work(row: str, content: bytes) -> tuple[int, bytes]:
        if row == BLOBS[50].blob_id:
            raise ValueError("a bad row")
        return result(row, content)

    with FakeContentStore(contents(BLOBS)) as store:
        fetcher = store_fetcher(store.content_url, 8, work=work)
        with pytest.raises(ValueError, match="a bad row"):
            run(Pool(fetcher, tmp_path, 100), ROWS)
        wait_for_no_thread()
