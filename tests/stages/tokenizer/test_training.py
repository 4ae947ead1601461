import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tiktoken.load import load_tiktoken_bpe
from tokenizers import Tokenizer as HuggingFaceTokenizer
from transformers import AutoTokenizer

from stages.tokenizer.config import Tokenizer
from stages.tokenizer.training import build_tokenizer, bytes_per_token_curve, train_tokenizer
from tests.tiny import (
    documents,
    file_bytes,
    merges_of,
    module_sources,
    pattern,
    pretoken_counts,
)
from tohum.errors import UserError
from tohum.formats.alphabet import FIRST_ID, alphabet_order, byte_characters
from tohum.formats.pretoken_table import rows_of, write_table
from tohum.formats.special_tokens import SPECIAL_TOKENS
from tohum.formats.tokenizer import load_tokenizer

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
SPELLED = st.lists(st.sampled_from(SPECIAL_TOKENS) | UNICODE, max_size=5).map("".join)


def trained(
    root: Path,
    words: Counter[bytes],
    vocab_size: int = 300,
    min_frequency: int = 2,
    with_pattern: str = pattern(),
) -> Path:
    """Runs the stage in a project at `root` and returns the tokenizer's folder."""
    (root / "pretokens").mkdir(parents=True, exist_ok=True)
    write_table(root / "pretokens", [rows_of(sorted(words.items()))], {"pattern": with_pattern})
    train_tokenizer(
        Tokenizer(vocab_size=vocab_size, min_frequency=min_frequency),
        pretokens=root / "pretokens",
        out=root / "tokenizer",
        metrics=root / "tokenizer.json",
        plot=root / "tokenizer.csv",
    )
    return root / "tokenizer"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def tokenizer() -> HuggingFaceTokenizer:
    merges = merges_of(pretoken_counts(module_sources()), 400)
    return build_tokenizer(alphabet_order(), merges, pattern())


def metrics(root: Path) -> Any:
    return json.loads((root / "tokenizer.json").read_text(encoding="utf-8"))


def test_how_many_entries_a_small_corpus_gives_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = trained(tmp_path, Counter({b"selam": 5, b"merhaba": 1}), vocab_size=8192)
    reached = HuggingFaceTokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    assert reached < 300
    assert f"{reached} entries, fewer than vocab_size 8192: no more pairs are seen" in caplog.text
    assert "min_frequency (2) times" in caplog.text


def test_auto_tokenizer_gives_the_same_ids(tmp_path: Path) -> None:
    folder = trained(tmp_path, pretoken_counts(module_sources()))
    plain = HuggingFaceTokenizer.from_file(str(folder / "tokenizer.json"))
    automatic: Any = AutoTokenizer.from_pretrained(str(folder))
    for text in [*module_sources(), "\n  'LL é中\U0001f600 , . ! n't\r\n"]:
        ids = plain.encode(text).ids
        assert ids == automatic(text)["input_ids"]
        assert ids == load_tokenizer(folder).encode(text).ids
        assert automatic.decode(ids) == text


def test_auto_tokenizer_knows_the_roles_of_the_special_tokens(tmp_path: Path) -> None:
    automatic: Any = AutoTokenizer.from_pretrained(str(trained(tmp_path, Counter({b"ab": 2}))))
    assert automatic.bos_token_id == automatic.eos_token_id == 0
    assert automatic.pad_token_id == 1


def tiktoken_of(folder: Path) -> tiktoken.Encoding:
    return tiktoken.Encoding(
        "tohum",
        pat_str=pattern(),
        mergeable_ranks=load_tiktoken_bpe(str(folder / "tokenizer.tiktoken")),
        special_tokens={token: id for id, token in enumerate(SPECIAL_TOKENS)},
    )


def test_tiktoken_gives_the_same_ids(tmp_path: Path) -> None:
    folder = trained(tmp_path, pretoken_counts(module_sources()), vocab_size=900)
    encoding = tiktoken_of(folder)
    assert encoding.n_vocab == 900
    tokenizer = load_tokenizer(folder)
    for text in [*module_sources(), "\n  'LL é中\U0001f600 , . ! n't\r\n<|endoftext|>"]:
        ids = tokenizer.encode(text).ids
        assert encoding.encode_ordinary(text) == ids
        assert encoding.decode(ids) == text
    plain = HuggingFaceTokenizer.from_file(str(folder / "tokenizer.json"))
    text = "<|endoftext|>a<|fim_middle|><|end|>"
    assert encoding.encode(text, allowed_special="all") == plain.encode(text).ids


def test_bytes_that_are_no_utf_8_survive_a_round_trip(tmp_path: Path) -> None:
    folder = trained(tmp_path, pretoken_counts(module_sources()), vocab_size=900)
    encoding = tiktoken_of(folder)
    data = bytes(range(256)) * 3 + b"\xff\xc0\xaf\xed\xa0\x80 def \xe4\xb8"
    ids = encoding._encode_bytes(data)
    assert encoding.decode_bytes(ids) == data
    assert load_tokenizer(folder).decode(ids) == data.decode(errors="replace")
    assert metrics(tmp_path)["bytes_round_trip"] is True


def test_unused_entries_are_those_that_stand_nowhere(tmp_path: Path) -> None:
    texts = module_sources()
    folder = trained(tmp_path, pretoken_counts(texts), vocab_size=900)
    tokenizer = load_tokenizer(folder)
    seen = {id for text in texts for id in tokenizer.encode(text).ids}
    missing = set(range(len(SPECIAL_TOKENS), 900)) - seen
    found = metrics(tmp_path)
    assert found["unused_bytes"] == len([id for id in missing if id < FIRST_ID]) > 0
    assert found["unused_merges"] == len([id for id in missing if id >= FIRST_ID]) > 0


def test_no_token_is_the_text_of_a_special_one(tmp_path: Path) -> None:
    words = Counter({b"<|endoftext|>": 50, b"x<|endoftext|>y": 3, b"<|end|>": 20})
    folder = trained(tmp_path, words, vocab_size=400, min_frequency=1, with_pattern="[^ ]+")
    tokenizer = load_tokenizer(folder)
    assert tokenizer.get_vocab_size() == metrics(tmp_path)["vocab_size"] > FIRST_ID + 10
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(9))
    for text in ("<|endoftext|>", "x<|endoftext|>y", "<|end|>"):
        ids = tokenizer.encode(text).ids
        assert min(ids) >= len(SPECIAL_TOKENS)
        assert tokenizer.decode(ids) == text


@given(text=UNICODE)
def test_a_round_trip_loses_nothing(tokenizer: HuggingFaceTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@given(text=SPELLED)
def test_a_loaded_tokenizer_reads_no_special_token_in_a_text(text: str) -> None:
    folder = Path("tokenizer")
    if not folder.exists():
        trained(Path(), pretoken_counts(module_sources()))
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode(text).ids
    assert all(id >= len(SPECIAL_TOKENS) for id in ids)
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_special_tokens_have_the_first_ids(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(trained(tmp_path, Counter({b"ab": 2})))
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(9))
    assert tokenizer.token_to_id("<|endoftext|>") == 0
    assert tokenizer.token_to_id("<|pad|>") == 1


def test_every_byte_is_in_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(trained(tmp_path, Counter({b"ab": 2})))
    characters = byte_characters()
    ids = [tokenizer.token_to_id(characters[byte]) for byte in alphabet_order()]
    assert ids == list(range(len(SPECIAL_TOKENS), FIRST_ID))


def test_ids_are_the_numbers_from_zero_on(tokenizer: HuggingFaceTokenizer) -> None:
    assert sorted(tokenizer.get_vocab().values()) == list(range(400))


def test_min_frequency_ends_the_vocabulary(tmp_path: Path) -> None:
    words = pretoken_counts(documents(10))
    tokenizer = load_tokenizer(trained(tmp_path, words, vocab_size=5000, min_frequency=4))
    entries = tokenizer.get_vocab_size()
    assert FIRST_ID < entries < 5000
    found = metrics(tmp_path)
    assert (found["vocab_size"], found["vocab_size_asked"]) == (entries, 5000)
    assert found["last_merge_count"] >= 4


def test_a_vocabulary_of_the_bytes_alone_has_no_merge(tmp_path: Path) -> None:
    folder = trained(tmp_path, Counter({b"abab": 5}), vocab_size=FIRST_ID)
    assert len(load_tokenizer(folder).encode("abab").ids) == 4
    assert metrics(tmp_path)["bytes_per_token"] == 1
    assert metrics(tmp_path)["last_merge_count"] is None


def test_merges_are_listed_with_their_counts(tmp_path: Path) -> None:
    folder = trained(tmp_path, Counter({b"aaa": 3, b"b": 1}), min_frequency=3)
    a = FIRST_ID - 256 + alphabet_order().index(ord("a"))
    with (folder / "merges.csv").open(encoding="utf-8", newline="") as file:
        rows = [list(map(int, row)) for row in list(csv.reader(file))[1:]]
    assert rows == [[FIRST_ID, a, a, 6, 3], [FIRST_ID + 1, FIRST_ID, a, 3, 3]]


def test_metrics_give_the_bytes_per_token_of_the_encoded_corpus(tmp_path: Path) -> None:
    texts = module_sources()
    tokenizer = load_tokenizer(trained(tmp_path, pretoken_counts(texts), vocab_size=600))
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    size = sum(len(text.encode()) for text in texts)
    assert metrics(tmp_path)["bytes_per_token"] == round(size / tokens, 6)


def test_the_curve_rises_from_one_to_the_last_vocabulary(tmp_path: Path) -> None:
    trained(tmp_path, pretoken_counts(module_sources()), vocab_size=600)
    with (tmp_path / "tokenizer.csv").open(encoding="utf-8", newline="") as file:
        rows = [(int(size), float(ratio)) for size, ratio in list(csv.reader(file))[1:]]
    assert rows[0] == (FIRST_ID, 1)
    assert rows[-1] == (600, metrics(tmp_path)["bytes_per_token"])
    assert rows == sorted(set(rows))
    assert [ratio for _, ratio in rows] == sorted(ratio for _, ratio in rows)


def test_the_curve_has_a_point_for_each_merge() -> None:
    merges = merges_of(Counter({b"abab": 2, b"ab": 1}), FIRST_ID + 2)
    assert bytes_per_token_curve(10, FIRST_ID, merges) == [
        (FIRST_ID, 1.0),
        (FIRST_ID + 1, 10 / 5),
        (FIRST_ID + 2, 10 / 3),
    ]


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    words = pretoken_counts(documents(30))
    first = trained(tmp_path / "first", words)
    second = trained(tmp_path / "second", Counter(dict(reversed(words.items()))))
    assert file_bytes(first) == file_bytes(second)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no pretokens: the corpus is empty"):
        trained(tmp_path, Counter())


def test_a_missing_tokenizer_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json is missing\. Run `dvc repro tokenizer`"):
        load_tokenizer(tmp_path)
