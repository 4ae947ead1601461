import gzip
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.fetch.answers import TooLarge
from tohum.fetch.gzip_members import gunzip

LARGEST = 1_000_000


def member(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_members_are_joined(contents: list[bytes]) -> None:
    body = b"".join(map(member, contents))
    assert gunzip(body, LARGEST) == (b"".join(contents), 0)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=30))
def test_garbage_after_the_last_member_is_counted(content: bytes, garbage: bytes) -> None:
    assert gunzip(member(content) + garbage, LARGEST) == (content, len(garbage))


@pytest.mark.parametrize("cut", [1, 8, 9, 15])
def test_a_second_member_that_is_cut_off_is_garbage(cut: int) -> None:
    second = member(b"second")[:-cut]
    assert gunzip(member(b"first") + second, LARGEST) == (b"first", len(second))


@given(st.binary(max_size=200), st.data())
def test_a_first_member_that_is_cut_off_is_an_error(content: bytes, data: st.DataObject) -> None:
    body = member(content)
    with pytest.raises(ValueError, match="damaged gzip"):
        gunzip(body[: data.draw(st.integers(0, len(body) - 1))], LARGEST)


def test_a_changed_checksum_is_an_error() -> None:
    body = bytearray(member(b"content"))
    body[-5] ^= 1
    with pytest.raises(ValueError, match="damaged gzip"):
        gunzip(bytes(body), LARGEST)


@pytest.mark.parametrize("members", [1, 2, 50])
def test_the_limit_is_for_all_members_together(members: int) -> None:
    body = member(b"a" * 100) * members
    assert gunzip(body, 100 * members)[0] == b"a" * 100 * members
    with pytest.raises(TooLarge, match=f"more than {100 * members - 1:,} bytes"):
        gunzip(body, 100 * members - 1)


def test_a_bomb_stops_at_the_limit_in_no_more_memory() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(500)) + compressor.flush()
    tracemalloc.start()
    with pytest.raises(TooLarge):
        gunzip(body, 10_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.5 * 10_000_000


def test_many_small_members_take_linear_time() -> None:
    def seconds(count: int) -> float:
        body = member(b"") * count
        began = time.process_time()
        assert gunzip(body, LARGEST) == (b"", 0)
        return time.process_time() - began

    seconds(1000)
    assert seconds(80_000) < 8 * max(seconds(20_000), 0.02)
