import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tohum.errors import UserError
from tohum.fetch.http_connection import NotConnected, Response, TransportError
from tohum.fetch.retries import Judge, Lost, RetryPolicy, Throttle, Tries

BROKEN = TransportError("broken")
FAILURES = [BROKEN, Response(500, b""), Response(503, b""), Response(403, b"")]
POLICY = RetryPolicy(first_wait=0.001, longest_wait=0.002, patience=0.2)


def good(body: bytes) -> bytes:
    return body


def bad(body: bytes) -> bytes:
    raise ValueError("wrong")


def judge(policy: RetryPolicy = POLICY) -> Judge:
    return Judge(policy, Throttle(0.02, 0.1))


def answer(judge: Judge) -> None:
    """The store answers for another blob."""
    assert judge.judge(Tries(), Response(200, b"other"), good) == b"other"


def test_the_wanted_bytes_are_what_the_check_returns() -> None:
    assert judge().judge(Tries(), Response(200, b"a"), lambda body: body * 2) == b"aa"


def test_a_404_is_final_at_once() -> None:
    with pytest.raises(Lost) as caught:
        judge().judge(Tries(), Response(404, b""), good)
    assert (caught.value.outcome, caught.value.detail) == ("missing", "HTTP 404")


@pytest.mark.parametrize(("failure", "most"), list(zip(FAILURES, (8, 8, 32, 3), strict=True)))
def test_a_blob_is_given_up_when_the_store_answered_between_its_tries(
    failure: Response | TransportError, most: int
) -> None:
    shared, tries = judge(), Tries()
    for _ in range(most - 1):
        answer(shared)
        assert isinstance(shared.judge(tries, failure, good), float)
    answer(shared)
    with pytest.raises(Lost, match=rf"missing: .*\({most} times\)"):
        shared.judge(tries, failure, good)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_try_counts_while_the_store_answers_nobody(failure: Response | TransportError) -> None:
    """Not even right after it went away, or when it comes back."""
    shared, tries = judge(RetryPolicy(patience=60)), Tries()
    answer(shared)
    for _ in range(20):
        assert isinstance(shared.judge(tries, failure, good), float)
    answer(shared)
    assert isinstance(shared.judge(tries, failure, good), float)
    assert shared.judge(tries, Response(200, b"a"), good) == b"a"


def test_a_body_of_the_wrong_bytes_is_an_answer_itself() -> None:
    shared, tries = judge(), Tries()
    for _ in range(2):
        assert isinstance(shared.judge(tries, Response(200, b"a"), bad), float)
    with pytest.raises(Lost, match=r"corrupt: wrong \(3 times\)"):
        shared.judge(tries, Response(200, b"a"), bad)


def test_a_connection_that_cannot_be_opened_says_nothing_of_the_blob() -> None:
    shared, tries = judge(), Tries()
    for _ in range(100):
        answer(shared)
        assert isinstance(shared.judge(tries, NotConnected("refused"), good), float)


@pytest.mark.parametrize("probe", [Response(404, b""), Response(200, b"")])
def test_an_answer_to_a_probe_is_an_answer(probe: Response) -> None:
    shared, tries = judge(), Tries()
    with pytest.raises(Lost, match=r"\(8 times\)"):
        for _ in range(9):
            shared.judge(tries, BROKEN, good)
            assert shared.wants_probe
            shared.probed(probe)


@pytest.mark.parametrize("probe", FAILURES)
def test_a_probe_that_fails_proves_nothing(probe: Response | TransportError) -> None:
    shared, tries = judge(), Tries()
    with pytest.raises(UserError, match=r"given nothing for .*\(HTTP 403\)"):
        while True:
            shared.judge(tries, Response(403, b""), good)
            shared.probed(probe)
            time.sleep(0.01)


def test_patience_counts_from_the_first_failure_and_not_from_idle_time() -> None:
    shared = judge()
    answer(shared)
    tries = Tries()
    time.sleep(0.3)
    assert isinstance(shared.judge(tries, BROKEN, good), float)
    time.sleep(0.1)
    assert isinstance(shared.judge(tries, BROKEN, good), float)
    time.sleep(0.15)
    with pytest.raises(UserError):
        shared.judge(tries, BROKEN, good)


def test_waits_are_random_and_bounded() -> None:
    policy = RetryPolicy(first_wait=0.5, longest_wait=8)
    waits = [policy.wait(tries) for tries in range(1, 12) for _ in range(50)]
    assert len(set(waits)) == len(waits)
    assert min(waits) >= 0 and max(waits) <= 8
    assert max(policy.wait(1) for _ in range(50)) <= 1
    assert policy.wait(100_000) <= 8


def pause(throttle: Throttle) -> float:
    """Starts a pause and waits for its end."""
    throttle.slow_down()
    began = time.monotonic()
    while left := throttle.left():
        time.sleep(left)
    return time.monotonic() - began


def test_one_pause_is_for_everybody() -> None:
    throttle = Throttle(0.2, 1)
    with ThreadPoolExecutor(4) as pool:
        lengths = list(pool.map(pause, [throttle] * 4))
    assert throttle.pauses == 1
    assert 0.1 < max(lengths) < 0.6
    assert throttle.left() == 0


def test_pauses_grow_until_the_store_has_answered_often_enough() -> None:
    throttle = Throttle(0.02, 0.1, calm=3)
    assert [round(pause(throttle), 1) for _ in range(4)] == [0.0, 0.0, 0.1, 0.1]
    throttle.slow_down()
    for _ in range(3):
        throttle.succeed()  # of what was asked before the pause
    time.sleep(throttle.left())
    assert pause(throttle) > 0.05
    for _ in range(3):
        throttle.succeed()
    assert pause(throttle) < 0.05


def test_single_slow_downs_cost_next_to_nothing() -> None:
    throttle = Throttle()
    for _ in range(20):
        for _ in range(throttle.calm):
            throttle.succeed()
        throttle.slow_down()
        assert throttle.left() <= throttle.first_pause
        time.sleep(throttle.left())
