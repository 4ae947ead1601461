import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.pretokens import counter, counting, range_merging, run_merging, runs
from stages.pretokens.config import Pretokenizer, bytes_of
from stages.pretokens.counting import count_corpus, is_sampled
from tests.tiny import (
    conversation,
    documents,
    file_bytes,
    pattern,
    record,
    run_stage,
    runtime,
    start_stage,
    table_counts,
    write_corpus,
    write_project,
    write_tiny_tokenizer,
)
from tests.tohum.pretokenization.test_scanner import TEXTS, by_tokenizers
from tohum.errors import UserError
from tohum.files import fresh
from tohum.formats.pretoken_table import PretokenRows, read_meta, rows_of
from tohum.pretokenization.classes import classes
from tohum.pretokenization.patterns import GPT4
from tohum.workdir import project_root, work_key

pytestmark = pytest.mark.slow


PRESETS = ("gpt4", "gpt2")
CUSTOM = r"\p{L}+|[^\p{L}]+"
# Words that share their first 8 bytes, in three documents, some of them in more than one.
MANY_WORDS = [
    " ".join(
        "identifier_"[: number % 12] + "".join(chr(ord(digit) + 49) for digit in str(number * step))
        for number in range(3000)
    )
    for step in (1, 3, 7)
]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def settings_of(**values: Any) -> Pretokenizer:
    """The gpt4 preset, with other values for some keys."""
    given = {"pattern": pattern(), "max_pretoken_bytes": 256, "sample_share": 1.0}
    return Pretokenizer(**{**given, "max_memory": "2GB", **values})


def counted(
    texts: Sequence[str | dict[str, Any]], out: str = "out", workers: int = 1, **values: Any
) -> Path:
    """Runs the stage and returns the folder of the table."""
    jsonl = write_corpus(Path(f"jsonl-{out}"), texts)
    count_corpus(settings_of(**values), runtime(workers), jsonl, Path(out))
    return Path(out)


def expected(texts: Sequence[str], max_bytes: int = 256, preset: str = "gpt4") -> Counter[bytes]:
    """The counts as the definition reads."""
    words = (word.encode() for text in texts for word in by_tokenizers(pattern(preset))(text))
    return Counter(
        word[start : start + max_bytes]
        for word in words
        for start in range(0, len(word), max_bytes)
    )


def test_counts_add_up_to_the_bytes_of_the_corpus() -> None:
    texts = [*documents(60), "é中\U0001f600" * 9]
    out = counted(texts)
    size = sum(len(text.encode()) for text in texts)
    assert sum(len(word) * count for word, count in table_counts(out).items()) == size
    assert read_meta(out)["bytes"] == size


def test_every_occurrence_is_counted() -> None:
    out = counted(["a = a + b\n", "a = 1\n"])
    assert table_counts(out) == {
        b"a": 2,
        b" =": 2,
        b" a": 1,
        b" +": 1,
        b" b": 1,
        b" ": 1,
        b"1": 1,
        b"\n": 2,
    }


def test_another_number_of_workers_gives_the_same_bytes() -> None:
    texts = documents(80)
    one, two = counted(texts, "one"), counted(texts, "two", workers=2)
    assert len(list(Path("jsonl-two").glob("part-*"))) > 2
    assert file_bytes(one) == file_bytes(two)


def test_another_order_of_documents_gives_the_same_table() -> None:
    texts = documents(60)
    one, two = counted(texts, "one"), counted(texts[::-1], "two")
    assert (one / "pretokens.parquet").read_bytes() == (two / "pretokens.parquet").read_bytes()


def test_a_long_pretoken_is_cut_to_pieces_of_the_largest_size() -> None:
    assert table_counts(counted(["x" * 25], max_pretoken_bytes=10)) == {b"x" * 10: 2, b"x" * 5: 1}


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(2, 9), st.sampled_from(PRESETS))
def test_the_kernel_counts_as_the_definition_reads(
    texts: list[str], max_bytes: int, preset: str
) -> None:
    number = len(list(Path().glob("out*")))
    out = counted(texts, f"out{number}", pattern=pattern(preset), max_pretoken_bytes=max_bytes)
    assert table_counts(out) == expected(texts, max_bytes, preset)


def test_a_pattern_that_misses_characters_is_refused() -> None:
    jsonl = write_corpus(Path("jsonl"), ["ab 12"])
    config = settings_of(pattern=r"\p{L}+|\s")
    with pytest.raises(UserError, match=r"matches 3 of the 5 characters of .*Add an alternative"):
        count_corpus(config, runtime(), jsonl, Path("out"))
    assert not Path("out").exists()


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    config = settings_of(pattern="(?:a")
    with pytest.raises(UserError, match=r"pretokenizer\.pattern is not a regular expression: .*\)"):
        count_corpus(config, runtime(), Path("jsonl"), Path("out"))


def test_a_pattern_that_tokenizers_cannot_read_is_refused() -> None:
    config = settings_of(pattern=r"(?s:.)")
    with pytest.raises(UserError, match=r"undefined group option\): write it without"):
        count_corpus(config, runtime(), Path("jsonl"), Path("out"))


def test_a_pattern_with_capturing_groups_is_refused() -> None:
    config = settings_of(pattern=r"(a)|[^a]")
    with pytest.raises(UserError, match=r"capturing groups: write \(\?:\.\.\.\) instead"):
        count_corpus(config, runtime(), Path("jsonl"), Path("out"))


def test_the_meta_names_the_pattern_and_the_input() -> None:
    out = counted(["a"])
    meta = read_meta(out)
    assert meta["pattern"] == pattern()
    assert meta["pretokens"] == meta["different_pretokens"] == meta["bytes"] == 1


def test_unfinished_work_is_gone_after_a_good_run() -> None:
    counted(documents(3))
    assert not [path for path in Path(".work/pretokens").iterdir() if path.is_dir()]


def test_equal_shards_count_twice() -> None:
    jsonl = write_corpus(Path("jsonl"), ["a b"] * 2, shard_bytes=10)
    assert len(list(jsonl.glob("part-*"))) == 2
    count_corpus(settings_of(), runtime(), jsonl, Path("out"))
    assert table_counts(Path("out")) == {b"a": 2, b" b": 2}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_regex_path_counts_what_the_kernel_counts(preset: str) -> None:
    texts = [*documents(40), "é中\U0001f600\r\n" * 50, ""]
    same_cut = f"(?:{pattern(preset)})"
    kernel = counted(texts, "kernel", pattern=pattern(preset), max_pretoken_bytes=5)
    engine = counted(texts, "engine", pattern=same_cut, max_pretoken_bytes=5, workers=2)
    assert table_counts(kernel) == table_counts(engine) == expected(texts, 5, preset)


def note_runs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Notes the path of each run that is written from now on."""
    written: list[Path] = []
    write = runs.write_run

    def noted(path: Path, batches: Iterable[PretokenRows]) -> None:
        written.append(path)
        write(path, batches)

    for module in (runs, run_merging, range_merging):
        monkeypatch.setattr(module, "write_run", noted)
    return written


def test_a_smaller_memory_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    large = counted(MANY_WORDS, "large")
    written = note_runs(monkeypatch)
    monkeypatch.setattr(counting, "bytes_of", lambda _: 20_000)
    monkeypatch.setattr(range_merging, "FAN_IN", 6)
    monkeypatch.setattr(range_merging, "LEAST_FAN_IN", 3)  # for each of two threads
    monkeypatch.setattr(runs, "RANGE_BYTES", 20_000)
    monkeypatch.setattr(counter, "BATCH_ENTRIES", 50)  # so that a run has pages enough
    small = counted(MANY_WORDS, "small", workers=2)
    of_ranges = [path for path in written if path.parent.name == "ranges"]
    assert len(of_ranges) > 3
    assert len(written) > len(of_ranges) + 9
    assert any(
        ".longer" in path.parent.name for path in written
    )  # more than three are merged in steps
    assert file_bytes(large) == file_bytes(small)


# Many share their first 8 bytes, the key.
WORDS = st.lists(st.sampled_from([0, 97, 255]), max_size=12).map(bytes) | st.sampled_from(
    [b"\xff" * 8 + bytes([last]) for last in range(20)]
)


def rows_in(pages: Iterable[PretokenRows]) -> list[tuple[bytes, int]]:
    return [row for page in pages for row in page.rows()]


@given(
    st.lists(st.dictionaries(WORDS, st.integers(1, 9), max_size=30), max_size=5),
    st.integers(1, 300),
)
@settings(max_examples=60, deadline=None)
def test_ranges_of_keys_share_out_the_rows_of_runs(
    counts: list[dict[bytes, int]], range_bytes: int
) -> None:
    """Each row is in one range, in order, however few rows a page has and wherever ranges end."""
    folder, longer = fresh(Path("runs")), fresh(Path("longer"))
    paths = []
    for number, of_run in enumerate(counts):
        rows = sorted((word, count) for word, count in of_run.items() if word)
        paths.append(folder / f"{number}.run")
        pages = (rows[first : first + 3] for first in range(0, len(rows) + 1, 3))
        runs.write_run(paths[-1], map(rows_of, pages))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RANGE_BYTES", range_bytes)
        ranges = runs.key_ranges(paths)
    assert (ranges[0].start, ranges[-1].end) == runs.ALL_KEYS
    assert all(one.end == other.start for one, other in pairwise(ranges))
    for path in paths:
        shared = [page for keys in ranges for page in runs.read_run(path, keys)]
        assert rows_in(shared) == rows_in(runs.read_run(path))
    merged = rows_in(
        page for keys in ranges for page in run_merging.merge_all(paths, 2, longer, keys)
    )
    total = sum((Counter(of_run) for of_run in counts), Counter[bytes]())
    total.pop(b"", None)
    assert merged == sorted(total.items())


def test_a_range_that_is_merged_is_not_merged_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless its run is damaged, or it was a range of other keys."""
    paths = [Path(f"{number}.run") for number in range(3)]
    for number, path in enumerate(paths):
        words = [b"%d_%03d" % (number, place) for place in range(0, 300, number + 1)]
        runs.write_run(path, (rows_of([(word, 1)]) for word in words))
    monkeypatch.setattr(runs, "RANGE_BYTES", 5000)
    made = note_runs(monkeypatch)
    folder = Path("ranges")
    first = range_merging.merge_ranges(paths, folder, runtime())
    whole = file_bytes(folder)
    assert len(first) == len(made) > 3
    first[1].write_bytes(first[1].read_bytes()[:-1] + b"x")
    made.clear()
    assert range_merging.merge_ranges(paths, folder, runtime()) == first
    assert made == [first[1]]
    assert f"{first[1]} was damaged" in caplog.text
    assert whole.items() <= file_bytes(folder).items()
    monkeypatch.setattr(runs, "RANGE_BYTES", 100_000)
    made.clear()
    (one,) = range_merging.merge_ranges(paths, folder, runtime())
    assert made == [one]
    assert sum(len(page.counts) for page in runs.read_run(one)) == 300 + 150 + 100


def test_a_smaller_memory_gives_the_same_bytes_with_a_custom_pattern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = counted(MANY_WORDS, "large", pattern=CUSTOM)
    assert 2 * counting.WORD_BYTES * len(table_counts(large)) > 10**6
    small = counted(MANY_WORDS, "small", pattern=CUSTOM, max_memory="1MB")
    assert file_bytes(large) == file_bytes(small)


def test_a_pretoken_longer_than_the_table_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "bytes_of", lambda _: 1000)
    texts = ["a b", "x" * 100_000, "y" * 50_000 + " z"]
    assert table_counts(counted(texts, max_pretoken_bytes=3)) == expected(texts, 3)


def test_a_pretoken_does_not_cross_two_messages() -> None:
    chat = conversation("abc", "def", "'", "s x")
    assert table_counts(counted([chat, "abc"])) == {
        b"abc": 2,
        b"def": 1,
        b"'": 1,
        b"s": 1,
        b" x": 1,
    }


def test_a_sample_is_the_documents_below_the_share_and_is_reported() -> None:
    texts = documents(80)
    out = counted(texts, sample_share=0.4)
    taken = [text for text in texts if is_sampled(record(text)["id"], 0.4)]
    assert 15 < len(taken) < 50
    assert table_counts(out) == expected(taken)
    meta = read_meta(out)
    assert (meta["sample_share"], meta["sampled_documents"], meta["documents"]) == (
        0.4,
        len(taken),
        80,
    )


def test_an_exact_count_says_nothing_of_a_sample() -> None:
    assert "sample_share" not in read_meta(counted(documents(3)))


def test_memory_is_no_part_of_the_work_and_the_sample_is(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def noted(*facts: Any) -> str:
        keys.append(work_key(*facts))
        return keys[-1]

    monkeypatch.setattr(counting, "work_key", noted)
    changes: tuple[dict[str, Any], ...] = ({}, {"max_memory": "1MB"}, {"sample_share": 0.9})
    for number, values in enumerate(changes):
        counted(["a b"], f"out{number}", **values)
    assert keys[0] == keys[1] != keys[2]


def test_a_killed_count_goes_on_after_the_shards_that_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = documents(80)
    whole = counted(texts, "whole")
    real = counting.count_shard
    counts = []

    def dies_at_the_third(path: Path, *values: Any) -> dict[str, Any]:
        counts.append(path.name)
        if len(counts) == 3:
            raise KeyboardInterrupt
        return real(path, *values)

    monkeypatch.setattr(counting, "count_shard", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        counted(texts, "killed")
    work = [path for path in (project_root() / ".work/pretokens").iterdir() if path.is_dir()]
    marks = [path for folder in work for path in folder.glob("*/facts.json")]
    assert 2 <= len(marks) < len(list(Path("jsonl-killed").glob("part-*")))
    times = {path: path.stat().st_mtime_ns for path in marks}
    seen = {}

    def looks(path: Path, *values: Any) -> dict[str, Any]:
        facts = real(path, *values)
        seen.update({mark: mark.stat().st_mtime_ns for mark in marks})
        return facts

    monkeypatch.setattr(counting, "count_shard", looks)
    count_corpus(settings_of(), runtime(), Path("jsonl-killed"), Path("killed"))
    assert seen == times
    assert file_bytes(whole) == file_bytes(Path("killed"))


def test_a_size_is_read_and_another_text_is_refused() -> None:
    assert bytes_of("2GB") == 2 * 10**9
    assert bytes_of("1.5 GB") == 1_500_000_000
    assert bytes_of("500MB") == 500 * 10**6
    for wrong in ("", "2", "2G", "-1GB", "0.5MB", "lots"):
        with pytest.raises(UserError, match=r"pretokenizer\.max_memory is .*such as 500MB or 2GB"):
            bytes_of(wrong)


@pytest.mark.parametrize("stage", ["pretokens", "encode"])
def test_a_stage_that_was_killed_gives_the_same_bytes(tmp_path: Path, stage: str) -> None:
    texts = [f"{text}# {number}\n" for number in range(40) for text in documents(150)]
    out = {"pretokens": "data/pretokens", "encode": "data/tokens"}[stage]
    found = []
    for name in ("whole", "killed"):
        root = tmp_path / name
        root.mkdir()
        write_project(root, "encode.validation_share=0.1", workers=2)
        write_corpus(root / "data/jsonl", texts, shard_bytes=20_000)
        write_tiny_tokenizer(root / "models/tokenizer")
        if name == "killed":
            process = start_stage(root, stage)
            while process.poll() is None and not list((root / ".work" / stage).glob("*/part*")):
                time.sleep(0.001)
            process.kill()
            process.communicate()
            assert not (root / out).exists()
        run_stage(root, stage)
        found.append(file_bytes(root / out))
    assert found[0] == found[1]


def test_a_counter_has_no_more_entries_than_its_slots_can_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counter, "MOST_ENTRIES", 100)
    limited = counter.PretokenCounter(GPT4, classes(), 256, 10**9)
    tables = [list(table) for table in limited.add(MANY_WORDS[0].encode())]
    tables.append(list(limited.drain()))
    assert len(tables) > 10
    counts: Counter[bytes] = Counter()
    for table in tables:
        for rows in table:
            counts.update(dict(rows.rows()))
    assert counts == expected([MANY_WORDS[0]], 256)
