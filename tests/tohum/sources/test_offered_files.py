import hashlib
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tohum.errors import UserError
from tohum.sources.offered_files import OfferedFile, sample, verified


def offer(path: str, content: bytes, location: Path = Path("unused")) -> OfferedFile:
    return OfferedFile(
        location=location,
        path=path,
        repo="repo",
        source="local",
        license="MIT",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        remedy="Fetch it again.",
    )


CANDIDATES = st.dictionaries(st.text(max_size=5), st.binary(max_size=30), max_size=20).map(
    lambda files: [offer(path, content) for path, content in files.items()]
)


@given(CANDIDATES, st.integers(1, 300), st.randoms(use_true_random=False))
def test_the_sample_does_not_depend_on_the_order(
    offered: list[OfferedFile], max_bytes: int, random: Random
) -> None:
    shuffled = random.sample(offered, len(offered))
    assert sample(offered, max_bytes, Counter()) == sample(shuffled, max_bytes, Counter())


@given(CANDIDATES, st.integers(1, 300))
def test_the_sample_keeps_to_the_cap_and_counts_the_rest(
    offered: list[OfferedFile], max_bytes: int
) -> None:
    left_out: Counter[str] = Counter()
    kept = sample(offered, max_bytes, left_out)
    assert sum(item.size for item in kept) <= max_bytes
    assert len(kept) + left_out["above max_bytes"] == len(offered)
    assert set(left_out) <= {"above max_bytes"}
    room = max_bytes - sum(item.size for item in kept)
    paths = {item.path for item in kept}
    assert all(item.size > room for item in offered if item.path not in paths)


@given(CANDIDATES)
def test_below_the_cap_all_stay_in_the_order_of_their_paths(offered: list[OfferedFile]) -> None:
    kept = sample(offered, 600, Counter())
    assert kept == sorted(offered, key=lambda item: item.path)


def test_above_the_cap_the_smallest_hashes_stay() -> None:
    offered = [offer(f"{number}.py", b"%04d" % number) for number in range(50)]
    kept = sample(offered, 40, Counter())
    smallest = sorted(offered, key=lambda item: item.sha256)[:10]
    assert {item.path for item in kept} == {item.path for item in smallest}


def test_a_new_file_changes_at_most_one_place_of_the_sample() -> None:
    offered = [offer(f"{number}.py", b"%04d" % number) for number in range(50)]
    before = {item.path for item in sample(offered[:49], 40, Counter())}
    after = {item.path for item in sample(offered, 40, Counter())}
    assert len(before - after) <= 1


@given(st.binary(max_size=100))
def test_a_verified_file_has_the_hashes_of_its_bytes(content: bytes) -> None:
    with TemporaryDirectory() as name:
        location = Path(name) / "a.py"
        location.write_bytes(content)
        file, read = verified(offer("src/a.py", content, location))
    assert read == content
    assert file.id == hashlib.sha1(content).hexdigest()
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert (file.path, file.bytes, file.source) == ("src/a.py", len(content), "local")
    assert (file.repo, file.license) == ("repo", "MIT")


def test_a_changed_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    location = tmp_path / "a.py"
    location.write_bytes(b"changed")
    with pytest.raises(UserError) as caught:
        verified(offer("a.py", b"listed", location))
    told = str(caught.value)
    assert told.startswith(f"{location} has the SHA-256 {hashlib.sha256(b'changed').hexdigest()}")
    assert f"expected {hashlib.sha256(b'listed').hexdigest()}" in told
    assert told.endswith("Fetch it again.")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        verified(offer("a.py", b"", tmp_path / "a.py"))
    assert str(caught.value) == (
        f"{tmp_path / 'a.py'} cannot be read (No such file or directory). Fetch it again."
    )
