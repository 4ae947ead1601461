import pytest

from tohum.errors import UserError
from tohum.fetch import retries
from tohum.fetch.answers import (
    EndlessRedirects,
    NotConnected,
    Response,
    TooLarge,
    TransportError,
)
from tohum.fetch.retries import (
    FIRST_REQUESTS,
    MOST_FAILURES,
    Host,
    Hosts,
    Lost,
    RetryPolicy,
    Throttle,
    Tries,
)

BROKEN = TransportError("broken")
FAILURES = [BROKEN, Response(500, b""), Response(503, b""), Response(403, b"")]
POLICY = RetryPolicy(first_wait=0.001, longest_wait=0.002, patience=0.2)
ODD_STATUSES = sorted({*range(100, 1000)} - {200, 403, 404, 410, 429, 451, 503})


class Clock:
    """Goes on by a microsecond when it is read, and by what somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1e-6
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


clock = Clock()


@pytest.fixture(autouse=True)
def by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "time", clock)


def begun() -> Tries:
    return Tries(last=clock.monotonic())


def good(body: bytes) -> bytes:
    return body


def bad(body: bytes) -> bytes:
    raise ValueError("wrong")


def too_large(body: bytes) -> bytes:
    raise TooLarge("it decompresses to more than 5 bytes")


def host(policy: RetryPolicy = POLICY, network: Hosts | None = None) -> Host:
    return Host("store.example", policy, Throttle(0.02, 0.1), network or Hosts())


def answer(host: Host) -> None:
    """The host answers for another blob."""
    assert host.judge(begun(), Response(200, b"other"), good) == b"other"


def lose(host: Host, failure: Response | TransportError, most: int) -> Lost:
    """What a blob is given up with, after `most` tries and answers for others between them."""
    tries = begun()
    for _ in range(most - 1):
        answer(host)
        assert isinstance(host.judge(tries, failure, good), float)
    answer(host)
    with pytest.raises(Lost) as caught:
        host.judge(tries, failure, good)
    return caught.value


def test_the_wanted_bytes_are_what_the_check_returns() -> None:
    assert host().judge(begun(), Response(200, b"a"), lambda body: body * 2) == b"aa"


@pytest.mark.parametrize("status", [404, 410, 451])
def test_what_the_store_says_is_not_there_is_missing_at_once(status: int) -> None:
    with pytest.raises(Lost) as caught:
        host().judge(begun(), Response(status, b""), good)
    assert (caught.value.outcome, caught.value.detail) == ("missing", f"HTTP {status}")


def test_any_other_status_is_tried_again_and_at_last_unreachable() -> None:
    for status in ODD_STATUSES:
        lost = lose(host(), Response(status, b""), 8)
        assert (lost.outcome, lost.detail) == ("unreachable", f"HTTP {status} (8 times)")


@pytest.mark.parametrize("status", [404, 410, 451])
def test_what_another_host_says_is_not_there_is_missing_only_while_the_store_answers(
    status: int,
) -> None:
    """A network's page for logging in may be where redirects lead."""
    page = Response(status, b"", elsewhere=True)
    shared, tries = host(RetryPolicy(patience=60)), begun()
    answer(shared)
    for _ in range(40):
        assert isinstance(shared.judge(tries, page, good), float)
        shared.probed(page, good)
    lost = lose(host(), page, 3)
    assert (lost.outcome, lost.detail) == ("missing", f"HTTP {status} (3 times)")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_store_is_given_many_tries(status: int) -> None:
    assert lose(host(), Response(status, b""), 32).outcome == "unreachable"


def test_a_single_key_that_is_refused_is_missing() -> None:
    lost = lose(host(), Response(403, b""), 3)
    assert (lost.outcome, lost.detail) == ("missing", "HTTP 403 (3 times)")


@pytest.mark.parametrize(
    ("failure", "most"),
    [
        *((BROKEN, 8), (EndlessRedirects("6 redirects"), 3), (NotConnected("no route"), 32)),
        (TooLarge("the answer is too large"), 2),
    ],
)
def test_no_failure_of_the_network_makes_a_blob_missing(failure: TransportError, most: int) -> None:
    assert lose(host(), failure, most).outcome == "unreachable"


def test_a_body_that_cannot_be_checked_for_its_size_is_unreachable() -> None:
    shared, tries = host(), begun()
    answer(shared)
    assert isinstance(shared.judge(tries, Response(200, b"a"), too_large), float)
    answer(shared)
    with pytest.raises(Lost, match=r"unreachable: it decompresses to .* \(2 times\)"):
        shared.judge(tries, Response(200, b"a"), too_large)


@pytest.mark.parametrize("failure", [*FAILURES, NotConnected("refused")])
def test_no_try_counts_while_the_store_answers_nobody(failure: Response | TransportError) -> None:
    """Not even right after it went away, or when it comes back."""
    shared, tries = host(RetryPolicy(patience=60)), begun()
    answer(shared)
    for _ in range(40):
        assert isinstance(shared.judge(tries, failure, good), float)
    answer(shared)
    assert isinstance(shared.judge(tries, failure, good), float)
    assert shared.judge(tries, Response(200, b"a"), good) == b"a"


def test_a_body_of_the_wrong_bytes_is_corrupt_once_the_store_has_given_right_ones() -> None:
    shared, tries = host(), begun()
    for _ in range(2):
        answer(shared)
        assert isinstance(shared.judge(tries, Response(200, b"a"), bad), float)
    answer(shared)
    with pytest.raises(Lost, match=r"corrupt: wrong \(3 times\)"):
        shared.judge(tries, Response(200, b"a"), bad)


def test_wrong_bytes_for_all_are_not_the_blobs_fault() -> None:
    """A captive portal answers everything, with its own page."""
    shared, tries = host(), begun()
    with pytest.raises(UserError, match=r"store\.example has given nothing for .*\(wrong\)"):
        while True:
            shared.judge(tries, Response(200, b"<html>"), bad)
            shared.probed(Response(200, b"<html>"), bad)
            clock.sleep(0.01)


@pytest.mark.parametrize("probe", [Response(404, b""), Response(200, b"")])
def test_an_answer_to_a_probe_is_an_answer(probe: Response) -> None:
    shared, tries = host(), begun()
    with pytest.raises(Lost, match=r"\(8 times\)"):
        for _ in range(9):
            shared.judge(tries, BROKEN, good)
            assert shared.wants_probe
            shared.probed(probe, good)


@pytest.mark.parametrize("probe", [*FAILURES, Response(521, b""), Response(302, b"")])
def test_a_probe_that_fails_proves_nothing(probe: Response | TransportError) -> None:
    shared, tries = host(), begun()
    with pytest.raises(UserError, match=r"given nothing for .*\(HTTP 403\)"):
        while True:
            shared.judge(tries, Response(403, b""), good)
            shared.probed(probe, good)
            clock.sleep(0.01)


def test_patience_counts_from_the_first_failure_and_not_from_idle_time() -> None:
    shared = host()
    answer(shared)
    tries = begun()
    clock.sleep(0.3)
    assert isinstance(shared.judge(tries, BROKEN, good), float)
    clock.sleep(0.1)
    assert isinstance(shared.judge(tries, BROKEN, good), float)
    clock.sleep(0.15)
    with pytest.raises(UserError):
        shared.judge(tries, BROKEN, good)


def test_a_host_that_never_answers_is_given_up_while_others_do() -> None:
    """One dead host is not an outage; what it had may be there another day."""
    network = Hosts()
    alive, dead, tries = host(network=network), host(network=network), begun()
    for _ in range(7):
        answer(alive)
        assert isinstance(dead.judge(tries, NotConnected("refused"), good), float)
    answer(alive)
    with pytest.raises(Lost, match=r"unreachable: refused \(8 times\)"):
        dead.judge(tries, NotConnected("refused"), good)
    with pytest.raises(Lost, match=r"unreachable: refused \(8 times\)"):
        dead.check_given_up()
    clock.sleep(0.25)
    dead.check_given_up()  # it is asked again after a while


@pytest.mark.parametrize("failure", [Response(403, b""), Response(200, b"page")])
def test_a_host_that_has_answered_nothing_right_loses_nothing_for_good(failure: Response) -> None:
    network = Hosts()
    alive, other, tries = host(network=network), host(network=network), begun()
    with pytest.raises(Lost, match=r"unreachable: .* \(3 times\)"):
        for _ in range(4):
            answer(alive)
            other.judge(tries, failure, bad)


def test_a_host_that_falls_silent_is_given_up_after_patience_while_others_answer() -> None:
    network = Hosts()
    alive, silent, tries = host(network=network), host(network=network), begun()
    answer(silent)
    began = clock.monotonic()
    with pytest.raises(Lost, match=r"unreachable: store\.example has given nothing for"):
        while True:
            silent.judge(tries, BROKEN, good)
            answer(alive)
            clock.sleep(0.01)
    assert clock.monotonic() - began > POLICY.patience
    with pytest.raises(Lost, match="unreachable"):
        silent.check_given_up()
    answer(silent)
    silent.check_given_up()


def test_a_host_that_has_not_answered_yet_is_asked_a_few_things_at_once() -> None:
    shared = host()
    shared.asking = FIRST_REQUESTS
    assert not shared.ready
    shared.asking -= 1
    assert shared.ready
    shared.asking = 100
    answer(shared)
    assert shared.ready


@pytest.mark.parametrize("failure", [BROKEN, Response(500, b""), Response(403, b"")])
def test_a_host_that_fails_for_all_is_asked_little_until_it_answers(
    failure: Response | TransportError,
) -> None:
    shared = host()
    answer(shared)
    shared.asking = FIRST_REQUESTS
    for _ in range(MOST_FAILURES - 1):
        shared.judge(Tries(), failure, good)
    assert shared.ready
    shared.judge(Tries(), failure, good)
    assert shared.throttle.left()
    clock.sleep(shared.throttle.left())
    assert not shared.ready
    shared.probed(Response(404, b""))
    assert shared.ready


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
    began = clock.monotonic()
    while left := throttle.left():
        clock.sleep(left)
    return clock.monotonic() - began


def test_one_pause_is_for_everybody() -> None:
    throttle = Throttle(0.2, 1)
    for _ in range(4):
        throttle.slow_down()
    assert throttle.pauses == 1
    assert 0.1 < throttle.left() <= 0.2
    clock.sleep(throttle.left())
    assert throttle.left() == 0


def test_pauses_grow_until_the_store_has_answered_often_enough() -> None:
    throttle = Throttle(0.02, 0.1)
    assert [round(pause(throttle), 1) for _ in range(4)] == [0.0, 0.0, 0.1, 0.1]
    for _ in range(3):
        throttle.succeed()
    assert pause(throttle) < 0.07
    assert pause(throttle) < 0.05


def test_a_store_that_refuses_one_in_ten_is_hardly_slowed_down() -> None:
    throttle = Throttle(0.01, 10)
    for _ in range(8):
        throttle.slow_down()
        clock.sleep(throttle.left())
        for _ in range(9):
            throttle.succeed()
    assert throttle.left() == 0 and pause(throttle) < 0.1


def test_a_store_that_refuses_many_gets_fewer_at_a_time_and_more_as_it_answers() -> None:
    throttle = Throttle(0.01, 0.01, most=100)
    throttle.slow_down()
    assert throttle.most == pytest.approx(70)
    for _ in range(20):
        clock.sleep(throttle.left())
        for _ in range(40):
            throttle.succeed()
        throttle.slow_down()  # one of forty
    assert 70 < throttle.most < 71
    for _ in range(40):
        throttle.slow_down()
        clock.sleep(throttle.left())
    assert throttle.most == 1


def test_a_store_that_takes_few_at_a_time_is_asked_for_as_many() -> None:
    """The refusals come at once, the answers later, so each pause begins before any of these."""
    throttle, waited = Throttle(0.001, 10), 0.0
    for _ in range(60):
        asked = int(throttle.most)
        for _ in range(asked - 30):
            throttle.slow_down()
        for _ in range(min(asked, 30)):
            throttle.succeed()
        waited += throttle.left()
        clock.sleep(throttle.left())
    assert waited < 1
    assert 20 < throttle.most < 60


def test_single_slow_downs_cost_next_to_nothing() -> None:
    throttle = Throttle()
    for _ in range(20):
        for _ in range(50):
            throttle.succeed()
        throttle.slow_down()
        assert throttle.left() <= throttle.first_pause
        clock.sleep(throttle.left())
