import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.blobs import contents
from tests.fakes.content_store import FakeContentStore, Fault
from tests.tohum.fetch.looping import run, store_fetcher
from tests.tohum.fetch.test_http_fetcher import BLOBS, EVERYTHING, NAMES
from tohum.fetch.retries import SHRINK, RetryPolicy
from tohum.fetch.shared_throttle import SharedThrottle, shared_throttles

EVERY = 0.02


@pytest.fixture
def store() -> Iterator[FakeContentStore]:
    with FakeContentStore(contents(BLOBS)) as store:
        yield store


def throttle(path: Path, first: float = 0.2, longest: float = 2.0) -> SharedThrottle:
    return SharedThrottle(path / "host", EVERY, 8, first, longest)


def look(shared: SharedThrottle) -> float:
    """What is left of the pause, after the next look at the file."""
    time.sleep(2 * EVERY)
    return shared.left()


def test_a_pause_of_one_is_the_pause_of_all_once(tmp_path: Path) -> None:
    one, other = throttle(tmp_path), throttle(tmp_path)
    one.slow_down()
    assert 0.1 < look(other) <= 0.2
    time.sleep(0.25)
    assert look(one) == look(other) == 0
    assert one.pauses == other.pauses == 1


def test_pauses_grow_together_whoever_is_refused(tmp_path: Path) -> None:
    one, other = throttle(tmp_path, 0.4), throttle(tmp_path, 0.4)
    seconds = []
    for each in (one, other, one):
        each.slow_down()
        seconds.append(each.left())
        assert look(one if each is other else other)
        time.sleep(max(one.left(), other.left()) + EVERY)
    assert [round(value, 1) for value in seconds] == [0.4, 0.8, 1.6]


def test_two_that_are_refused_at_once_begin_one_pause(tmp_path: Path) -> None:
    one, other = throttle(tmp_path), throttle(tmp_path)
    one.slow_down()
    other.slow_down()  # before it has looked
    assert other.left() <= 0.2
    assert look(one) <= 0.2
    assert one.pauses == other.pauses == 1


def test_a_host_that_refuses_few_is_asked_again_soon(tmp_path: Path) -> None:
    """Each of many sees few answers between two pauses, which are others' too."""
    all_of_them = [throttle(tmp_path, 0.01, 10) for _ in range(8)]
    for number in range(40):
        refused = all_of_them[number % 8]
        refused.slow_down()
        time.sleep(2 * EVERY)
        for each in all_of_them:
            each.left()
            each.succeed()
            each.succeed()
        time.sleep(refused.left())
    assert refused._pause <= 0.02


def test_all_ask_less_after_a_pause_and_more_as_answers_come(tmp_path: Path) -> None:
    one, other = throttle(tmp_path), throttle(tmp_path)
    one.slow_down()
    look(other)
    assert one.most == other.most == 8 * SHRINK
    for _ in range(1000):
        one.succeed()
    assert one.most == 8
    for _ in range(50):
        time.sleep(other.left())
        other.slow_down()
        other._until = 0
    assert other.most == 1


def test_a_pause_that_was_over_before_is_nobody_s(tmp_path: Path) -> None:
    throttle(tmp_path).slow_down()
    assert look(throttle(tmp_path)) == 0


@pytest.mark.parametrize("content", ["", "a", "a b", "a b c", "\x00"])
def test_a_file_that_tells_nothing_stops_nobody(tmp_path: Path, content: str) -> None:
    shared = throttle(tmp_path)
    shared.path.write_text(content)
    assert look(shared) == 0
    shared.slow_down()
    assert shared.left()


def test_a_busy_host_slows_nobody_down_but_those_who_ask_it(tmp_path: Path) -> None:
    make = shared_throttles(tmp_path, EVERY, 8)
    busy, idle = make("https://busy"), make("https://idle")
    busy.slow_down()
    time.sleep(2 * EVERY)
    assert idle.left() == 0


def test_two_fetchers_pause_together_and_lose_nothing(
    tmp_path: Path, store: FakeContentStore
) -> None:
    store.set_latency(0.05)
    fetchers = [
        store_fetcher(
            store.content_url,
            8,
            policy=RetryPolicy(first_wait=0.05, longest_wait=0.2, patience=30),
            throttle=lambda _: throttle(tmp_path, 0.3),
        )
        for _ in range(2)
    ]
    found: list[object] = [None, None]

    def fetch(place: int) -> None:
        found[place] = run(fetchers[place], NAMES)

    threads = [threading.Thread(target=fetch, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    while not all(fetcher.hosts for fetcher in fetchers):
        time.sleep(0.01)
    store.fail(Fault.SLOW_DOWN, 1)
    for thread in threads:
        thread.join()
    assert found == [EVERYTHING, EVERYTHING]
    pauses = [host.throttle.pauses for fetcher in fetchers for host in fetcher.hosts.values()]
    assert pauses == [1, 1]
