import logging
from pathlib import Path
from typing import Any

import pytest

from stages.tokenizer import bpe
from stages.tokenizer.merge_list import merge_list
from stages.tokenizer.merges import Merge
from tests.tiny import merges_of, module_sources, pretoken_counts
from tohum.formats.alphabet import FIRST_ID
from tohum.formats.pretoken_table import META, rows_of, write_table
from tohum.workdir import project_root

WORDS = pretoken_counts(module_sources())


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("pretokens").mkdir()
    write_table(Path("pretokens"), [rows_of(sorted(WORDS.items()))], {})


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The vocab_size and min_frequency of every training."""
    asked: list[tuple[int, int]] = []
    real = bpe.train_merges

    def noted(*values: Any) -> list[Merge]:
        asked.append(values[3:5])
        return real(*values)

    monkeypatch.setattr(bpe, "train_merges", noted)
    return asked


def merges(vocab_size: int, min_frequency: int) -> list[Merge]:
    return merge_list(Path("pretokens"), vocab_size, min_frequency).merges


def test_one_training_serves_a_grid(trainings: list[tuple[int, int]]) -> None:
    merges(1500, 2)
    for vocab_size in (FIRST_ID, 300, 800, 1500):
        for min_frequency in (2, 4, 30):
            expected = merges_of(WORDS, vocab_size, min_frequency)
            assert merges(vocab_size, min_frequency) == expected
    assert trainings == [(1500, 2)]


@pytest.mark.parametrize(
    ("first", "then", "again"),
    [
        ((400, 2), (401, 2), True),  # it ended at vocab_size
        ((400, 2), (400, 1), False),  # full at a higher min_frequency: the same merges
        ((400, 2), (900, 10**6), False),  # ends before the list does
        ((9000, 40), (9000, 39), True),  # it ended at min_frequency
        ((9000, 40), (20000, 40), False),  # no other pair is as frequent
        ((9000, 40), (20000, 41), False),
    ],
)
def test_a_list_that_may_be_too_short_is_trained_anew(
    trainings: list[tuple[int, int]], first: tuple[int, int], then: tuple[int, int], again: bool
) -> None:
    merges(*first)
    found = merges(*then)
    assert trainings == ([first, then] if again else [first])
    assert found == merges_of(WORDS, *then)


def test_a_longer_list_replaces_a_shorter_one(trainings: list[tuple[int, int]]) -> None:
    for vocab_size in (300, 900, 300, 900):
        merges(vocab_size, 2)
    assert trainings == [(300, 2), (900, 2)]


def test_another_table_has_a_list_of_its_own(trainings: list[tuple[int, int]]) -> None:
    merges(300, 2)
    write_table(Path("pretokens"), [rows_of([(b"ab", 7)])], {})
    assert [merge.count for merge in merges(300, 2)] == [7]
    assert len(trainings) == 2


def test_a_list_that_cannot_be_read_is_trained_anew(
    trainings: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    found = merges(400, 2)
    (kept,) = (project_root() / ".work/merges").glob("*/merges.json")
    kept.write_bytes(kept.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        assert merges(400, 2) == found
    assert "merges.json was damaged" in caplog.text
    assert len(trainings) == 2


def test_a_cut_reads_no_table(trainings: list[tuple[int, int]]) -> None:
    merges(400, 2)
    (Path("pretokens") / "pretokens.parquet").unlink()
    assert (Path("pretokens") / META).exists()
    assert len(merges(350, 2)) == 350 - FIRST_ID


def test_bytes_are_counted() -> None:
    counts = merge_list(Path("pretokens"), 300, 2).byte_counts
    expected = [0] * 256
    for word, count in WORDS.items():
        for byte in word:
            expected[byte] += count
    assert counts == expected
