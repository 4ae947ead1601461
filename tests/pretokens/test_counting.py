from collections import Counter
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from stages.config import Pretokenizer
from stages.errors import UserError
from stages.pretokens.counting import count_corpus, count_shard
from stages.pretokens.table import read_meta, read_table
from tests.tiny import (
    MODULES,
    documents,
    file_bytes,
    module_sources,
    pattern,
    runtime,
    write_corpus,
)

PRESETS = ("gpt4", "gpt2")
FRAGMENTS = (
    *(" ", "  ", "    ", "\n", "\r\n", "\r", "\t", "\u00a0", "\u2028", "\x1c", "\x85"),
    *("def ", "self.x", "__init__", "():", "'s", "'LL", "'\u017f", '"""', "# ", "!=", "->"),
    *(
        "0",
        "123",
        "1_000",
        "0xff",
        "\u00bd",
        "\u0665",
        "é",
        "e\u0301",
        "中文",
        "\U0001f600",
        "\u200d",
    ),
)
# Code points that this Python's Unicode doesn't know are left out: `regex` follows a newer Unicode
# than the engine inside `tokenizers`, and calls 6,310 of them letters or numbers that the other
# doesn't. All other code points are the same to both.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cn"])
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(CHARACTERS, max_size=6), max_size=30).map(
    "".join
)


def cut_by_tokenizers(pattern: str, text: str) -> list[str]:
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    return [piece for piece, _ in split.pre_tokenize_str(text)]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def counted(texts: list[str], out: str = "out", workers: int = 1, max_bytes: int = 256) -> Path:
    jsonl = write_corpus(Path(f"jsonl-{out}"), texts)
    config = Pretokenizer(pattern=pattern(), max_pretoken_bytes=max_bytes)
    count_corpus(config, runtime(workers), jsonl, Path(out))
    return Path(out)


@pytest.mark.parametrize("preset", PRESETS)
@given(text=TEXTS)
def test_text_is_cut_as_tokenizers_cuts_it(preset: str, text: str) -> None:
    assert regex.findall(pattern(preset), text) == cut_by_tokenizers(pattern(preset), text)


@pytest.mark.parametrize("preset", PRESETS)
def test_source_files_are_cut_as_tokenizers_cuts_them(preset: str) -> None:
    for source in module_sources([*MODULES, "argparse", "ast", "enum", "inspect", "tokenize"]):
        assert regex.findall(pattern(preset), source) == cut_by_tokenizers(pattern(preset), source)


@pytest.mark.parametrize("preset", PRESETS)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_every_character_belongs_to_a_pretoken(preset: str, text: str) -> None:
    assert "".join(regex.findall(pattern(preset), text)) == text


def test_counts_add_up_to_the_bytes_of_the_corpus() -> None:
    texts = [*documents(60), "é中\U0001f600" * 9]
    out = counted(texts)
    size = sum(len(text.encode()) for text in texts)
    assert sum(len(word) * count for word, count in read_table(out).items()) == size
    assert read_meta(out)["bytes"] == size


def test_every_occurrence_is_counted() -> None:
    out = counted(["a = a + b\n", "a = 1\n"])
    assert read_table(out) == {
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
    assert read_table(counted(["x" * 25], max_bytes=10)) == {b"x" * 10: 2, b"x" * 5: 1}


@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(2, 9))
def test_no_piece_is_longer_than_the_limit(texts: list[str], max_bytes: int) -> None:
    shard = Path("shard.jsonl")
    folder = write_corpus(Path("limit") / str(len(list(Path().glob("limit/*")))), texts, None)
    (folder / "corpus.jsonl").replace(shard)
    counts = count_shard(shard, pattern(), max_bytes)
    assert all(0 < len(piece) <= max_bytes for piece in counts)
    assert sum(len(piece) * count for piece, count in counts.items()) == sum(
        len(text.encode()) for text in texts
    )


def test_a_pattern_that_misses_characters_is_refused() -> None:
    jsonl = write_corpus(Path("jsonl"), ["ab 12"])
    config = Pretokenizer(pattern=r"\p{L}+|\s", max_pretoken_bytes=256)
    with pytest.raises(UserError, match=r"matches 3 of the 5 characters of .*Add an alternative"):
        count_corpus(config, runtime(), jsonl, Path("out"))
    assert not Path("out").exists()


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    config = Pretokenizer(pattern="(?:a", max_pretoken_bytes=256)
    with pytest.raises(UserError, match=r"pretokenizer\.pattern is not a regular expression: .*\)"):
        count_corpus(config, runtime(), Path("jsonl"), Path("out"))


def test_a_pattern_that_tokenizers_cannot_read_is_refused() -> None:
    config = Pretokenizer(pattern=r"(?s:.)", max_pretoken_bytes=256)
    with pytest.raises(UserError, match=r"undefined group option\): write it without"):
        count_corpus(config, runtime(), Path("jsonl"), Path("out"))


def test_a_pattern_with_capturing_groups_is_refused() -> None:
    config = Pretokenizer(pattern=r"(a)|[^a]", max_pretoken_bytes=256)
    with pytest.raises(UserError, match=r"capturing groups: write \(\?:\.\.\.\) in place"):
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
    paths = sorted(jsonl.glob("part-*"))
    assert len(paths) == 2
    assert count_shard(paths[0], pattern(), 256) == Counter({b"a": 1, b" b": 1})
    config = Pretokenizer(pattern=pattern(), max_pretoken_bytes=256)
    count_corpus(config, runtime(), jsonl, Path("out"))
    assert read_table(Path("out")) == {b"a": 2, b" b": 2}
