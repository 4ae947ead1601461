"""The parts of a transfer that an end-to-end test would wait for too long."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tohum.commands.share import child, transfer_progress
from tohum.commands.share.child import Watch
from tohum.commands.share.transfer_progress import TransferProgress

pytestmark = pytest.mark.slow


COUNT = """
import socket
from tohum.commands.share.traffic import Traffic
traffic = Traffic()
traffic.watch()
one, other = socket.socketpair()
one.sendall(b"x" * 1000)
one.send(b"y" * 100)
received = other.recv(600)
with other.makefile("rb") as stream:
    received += stream.read(500)
print(traffic.sent, traffic.received, len(received))
"""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (child, transfer_progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_bytes_are_counted_once_in_both_directions() -> None:
    counted = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True
    )
    assert counted.stdout.split() == ["1100", "1100", "1100"]
    assert "counted" not in repr(socket.socket.send)


def test_a_worker_whose_bytes_move_is_not_given_up(clock: Clock) -> None:
    watch = Watch(10)
    for second in range(100):
        clock.now = float(second)
        watch.seen(moved=second, cpu=0.0)
        assert not watch.is_stalled()


def test_a_worker_that_hashes_is_not_given_up(clock: Clock) -> None:
    watch = Watch(10)
    for second in range(100):
        clock.now = float(second)
        watch.seen(moved=1, cpu=second * 0.5)
        assert not watch.is_stalled()


def test_a_worker_that_does_nothing_is_given_up(clock: Clock) -> None:
    watch = Watch(10)
    for second in range(12):
        clock.now = float(second)
        watch.seen(moved=1, cpu=second * 0.001)
    assert watch.is_stalled()


def test_without_a_terminal_a_line_tells_how_far_it_is(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with TransferProgress("push") as shown:
        shown.begin(2, 100_000_000, moves_by_socket=True)
        shown.moved(0)
        clock.now = 40.0
        shown.moved(40_000_000)
    assert caplog.messages == [
        "push: 2 objects, 100.0 MB",
        "push: 40.0 MB of 100.0 MB, 1.0 MB/s, 60 s left",
    ]
