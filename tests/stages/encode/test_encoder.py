import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFaceTokenizer

from stages.encode import encoder
from stages.encode.encoder import CompiledEncoder, EncodeTexts, make_encoder, read_byte_level_bpe
from stages.tokenizer.training import build_tokenizer
from tests.tiny import documents, merges_of, module_sources, pattern, pretoken_counts
from tests.tohum.pretokenization.test_scanner import TEXTS
from tohum.formats.alphabet import alphabet_order
from tohum.formats.special_tokens import SPECIAL_TOKENS

PRESETS = ("gpt4", "gpt2")
DTYPE = numpy.dtype("<u2")
SPELLED = st.lists(st.sampled_from(SPECIAL_TOKENS) | TEXTS, max_size=4).map("".join)
RUNS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ab", " ", "-", "é", "def"]), st.integers(1, 200)),
    max_size=4,
).map(lambda runs: "".join(text * count for text, count in runs))


def tokenizer_of(pattern_text: str) -> HuggingFaceTokenizer:
    words = pretoken_counts([*module_sources(), "ab" * 50 + "a" * 99 + "-" * 70, "é" * 40])
    tokenizer = build_tokenizer(alphabet_order(), merges_of(words, 1500), pattern_text)
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.fixture(scope="module", params=PRESETS)
def both(request: pytest.FixtureRequest) -> tuple[HuggingFaceTokenizer, EncodeTexts]:
    """A tokenizer, and the compiled encoder of it."""
    tokenizer = tokenizer_of(pattern(request.param))
    compiled = make_encoder(tokenizer, DTYPE, 1)
    assert isinstance(compiled, CompiledEncoder)
    return tokenizer, compiled


Both = tuple[HuggingFaceTokenizer, EncodeTexts]


def same(both: Both, texts: list[str]) -> None:
    tokenizer, encode = both
    for text, ids in zip(texts, encode(texts), strict=True):
        assert ids.dtype == DTYPE
        assert ids.tolist() == tokenizer.encode(text, add_special_tokens=False).ids


@settings(deadline=None, max_examples=500)
@given(text=SPELLED | RUNS)
def test_ids_are_those_of_tokenizers(both: Both, text: str) -> None:
    same(both, [text])


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_ids_of_any_unicode_are_those_of_tokenizers(both: Both, text: str) -> None:
    same(both, [text, text + text[::-1]])


def test_ids_of_code_are_those_of_tokenizers(both: Both) -> None:
    same(both, [*module_sources(["argparse", "ast", "enum", "typing", "inspect"]), ""])


@pytest.mark.parametrize(
    "text", ["x" * 10**6, "ab" * 500_000, " " * 10**6, "中é" * 200_000, "-=" * 10**5]
)
def test_a_pretoken_of_a_megabyte_is_encoded_in_no_time(both: Both, text: str) -> None:
    both[1](["warm"])
    started = time.process_time()
    both[1]([text])
    assert time.process_time() - started < 5  # 0.3 s; a time that grows with the square: hours
    same(both, [text])


def test_a_full_cache_changes_no_id(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "CACHE_ENTRIES", 16)
    same((both[0], make_encoder(both[0], DTYPE, 1)), [*module_sources(), *documents(20)])


def test_threads_may_share_an_encoder(both: Both) -> None:
    texts = [*module_sources(), *documents(100)] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: both[1]([text])[0].tolist(), texts))
    assert found == [ids.tolist() for ids in both[1](texts)]


def test_a_pattern_of_your_own_is_left_to_tokenizers() -> None:
    tokenizer = tokenizer_of(r"\p{L}+|[^\p{L}]+")
    encode = make_encoder(tokenizer, DTYPE, 1)
    assert not isinstance(encode, CompiledEncoder)
    same((tokenizer, encode), [*module_sources(), "é中 <|endoftext|>"])


def described() -> dict[str, Any]:
    value = json.loads(tokenizer_of(pattern()).to_str())
    assert isinstance(value, dict)
    return value


def test_a_tokenizer_that_is_another_is_left_to_tokenizers() -> None:
    assert read_byte_level_bpe(described()) is not None
    changes: list[tuple[tuple[str | int, ...], Any]] = [
        (("normalizer",), {"type": "Lowercase"}),
        (("model", "dropout"), 0.1),
        (("model", "ignore_merges"), True),
        (("model", "end_of_word_suffix"), "</w>"),
        (("model", "merges"), described()["model"]["merges"][::-1]),
        (("pre_tokenizer", "pretokenizers", 0, "behavior"), "Removed"),
        (("pre_tokenizer", "pretokenizers", 0, "invert"), True),
        (("pre_tokenizer", "pretokenizers", 1, "add_prefix_space"), True),
        (("pre_tokenizer", "pretokenizers", 1, "use_regex"), True),
        (("pre_tokenizer",), None),
    ]
    for path, value in changes:
        changed: Any = described()
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert read_byte_level_bpe(changed) is None, path


def test_a_vocabulary_without_merges_gives_bytes() -> None:
    tokenizer = build_tokenizer(alphabet_order(), [], pattern())
    same((tokenizer, make_encoder(tokenizer, DTYPE, 1)), ["abc é中 x", ""])


def test_every_document_of_the_corpus_has_the_ids_of_tokenizers() -> None:
    from tests.tiny import PROJECT
    from tohum.formats.records import marked_texts, read_records, shard_paths
    from tohum.formats.tokenizer import load_tokenizer

    if not (PROJECT / "data/jsonl").is_dir() or not (PROJECT / "models/tokenizer").is_dir():
        pytest.skip("data/jsonl is not here")
    tokenizer = load_tokenizer(PROJECT / "models/tokenizer")
    encode = make_encoder(tokenizer, DTYPE, 2)
    for path in shard_paths(PROJECT / "data/jsonl"):
        texts = [part.text for record in read_records(path) for part in marked_texts(record)]
        expected = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        for ids, encoding in zip(encode(texts), expected, strict=True):
            assert ids.tolist() == encoding.ids
