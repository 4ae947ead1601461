import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from stages.tokenizer.alphabet import alphabet_order, byte_characters
from stages.tokenizer.bpe import Merge, train_merges
from stages.tokenizer.training import build_tokenizer, bytes_per_token_curve
from tests.tiny import (
    FIRST_ID,
    byte_ids,
    documents,
    merges_of,
    module_sources,
    pattern,
    pretoken_counts,
)

BYTES = list(range(256))  # each byte's id is its value
RUNS = st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 7)).map(
    lambda run: run[0] * run[1]
)
WORDS = st.lists(RUNS, min_size=1, max_size=8).map(b"".join)
TABLES = st.dictionaries(WORDS, st.integers(1, 6), min_size=1, max_size=8)
SIZES = st.integers(256, 330)
FREQUENCIES = st.integers(1, 4)


def simple_merges(words: Mapping[bytes, int], vocab_size: int, min_frequency: int) -> list[Merge]:
    """Byte-pair encoding as its definition reads: every pair is counted anew for every merge."""
    corpus = [(list(word), count) for word, count in words.items()]
    merges: list[Merge] = []
    for id in range(256, vocab_size):
        pairs: Counter[tuple[int, int]] = Counter()
        for ids, count in corpus:
            for pair in pairwise(ids):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < min_frequency:
            break
        after = [(replaced(ids, best, id), count) for ids, count in corpus]
        saved = size(corpus) - size(after)
        merges.append(Merge(*best, id=id, count=pairs[best], saved=saved))
        corpus = after
    return merges


def replaced(ids: list[int], pair: tuple[int, int], id: int) -> list[int]:
    after: list[int] = []
    for symbol in ids:
        if after and (after[-1], symbol) == pair:
            after[-1] = id
        else:
            after.append(symbol)
    return after


def size(corpus: list[tuple[list[int], int]]) -> int:
    return sum(len(ids) * count for ids, count in corpus)


def merges_by_tokenizers(
    words: Mapping[bytes, int], vocab_size: int, min_frequency: int
) -> list[tuple[str, str]]:
    """The merges of `tokenizers`, with the alphabet of bytes and no special token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    characters = byte_characters()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        initial_alphabet=characters,
        show_progress=False,
    )
    written = ("".join(characters[byte] for byte in word) for word in Counter(words).elements())
    tokenizer.train_from_iterator(written, trainer)
    return [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


def merges_by_us(
    words: Mapping[bytes, int], vocab_size: int, min_frequency: int
) -> list[tuple[str, str]]:
    characters = byte_characters()
    order = alphabet_order()
    ids = [order.index(byte) for byte in range(256)]
    tokens = [characters[byte] for byte in order]
    pairs = []
    for merge in train_merges(words, ids, 256, vocab_size, min_frequency):
        pairs.append((tokens[merge.left], tokens[merge.right]))
        tokens.append("".join(pairs[-1]))
    return pairs


@given(TABLES, SIZES, FREQUENCIES)
@example({b"aaaa": 1, b"aaa": 1}, 300, 1)
@example({b"abc": 5, b"ab": 1, b"bc": 1, b"abcabc": 2}, 300, 1)
def test_merges_are_those_of_the_definition(
    words: dict[bytes, int], vocab_size: int, min_frequency: int
) -> None:
    merges = train_merges(words, BYTES, 256, vocab_size, min_frequency)
    assert merges == simple_merges(words, vocab_size, min_frequency)


@given(TABLES, SIZES, FREQUENCIES)
def test_merges_are_those_of_tokenizers(
    words: dict[bytes, int], vocab_size: int, min_frequency: int
) -> None:
    merges = merges_by_us(words, vocab_size, min_frequency)
    assert merges == merges_by_tokenizers(words, vocab_size, min_frequency)


@pytest.mark.parametrize("min_frequency", [1, 2, 5])
def test_merges_of_code_are_those_of_tokenizers(min_frequency: int) -> None:
    words = pretoken_counts(module_sources(["argparse", "ast", "enum", "typing"]))
    merges = merges_by_us(words, 600, min_frequency)
    assert len(merges) == 600 - 256
    assert merges == merges_by_tokenizers(words, 600, min_frequency)


@pytest.mark.parametrize("min_frequency", [2, 5])
def test_merges_of_little_code_end_where_those_of_tokenizers_do(min_frequency: int) -> None:
    words = pretoken_counts(documents(40))
    merges = merges_by_us(words, 5000, min_frequency)
    assert 0 < len(merges) < 5000 - 256
    assert merges == merges_by_tokenizers(words, 5000, min_frequency)


@given(TABLES, SIZES)
def test_no_two_merges_make_the_same_token(words: dict[bytes, int], vocab_size: int) -> None:
    content = [bytes([byte]) for byte in BYTES]
    for merge in train_merges(words, BYTES, 256, vocab_size, 1):
        assert merge.id == len(content)
        content.append(content[merge.left] + content[merge.right])
    assert len(set(content)) == len(content)


@given(TABLES, SIZES)
def test_counts_beyond_32_bits_give_the_same_merges(
    words: dict[bytes, int], vocab_size: int
) -> None:
    factor = 2**40 + 1
    scaled = {word: count * factor for word, count in words.items()}
    assert train_merges(scaled, BYTES, 256, vocab_size, 1) == [
        Merge(merge.left, merge.right, merge.id, merge.count * factor, merge.saved * factor)
        for merge in train_merges(words, BYTES, 256, vocab_size, 1)
    ]


def test_a_count_above_two_to_the_32_is_more_than_a_small_one() -> None:
    words = {b"xy": 2**32 + 1, b"ab": 2**31 + 7, b"abz": 2**31 + 7, b"cd": 5}
    merges = train_merges(words, BYTES, 256, 259, 6)
    assert [(merge.left, merge.right, merge.count) for merge in merges] == [
        (*b"ab", 2**32 + 14),
        (*b"xy", 2**32 + 1),
        (256, ord("z"), 2**31 + 7),
    ]


def test_equal_counts_go_by_the_smaller_ids() -> None:
    merges = train_merges({b"zy": 2, b"ab": 2, b"az": 2}, BYTES, 256, 300, 1)
    assert [(merge.left, merge.right) for merge in merges] == [
        tuple(b"ab"),
        tuple(b"az"),
        tuple(b"zy"),
    ]


def test_a_run_counts_overlapping_pairs_and_saves_the_merged_ones() -> None:
    assert train_merges({b"aaa": 10}, BYTES, 256, 257, 1) == [
        Merge(ord("a"), ord("a"), 256, count=20, saved=10)
    ]


def test_no_merge_is_seen_less_than_min_frequency_times() -> None:
    merges = train_merges({b"ab": 3, b"cd": 2}, BYTES, 256, 300, 3)
    assert [merge.count for merge in merges] == [3]


@pytest.mark.parametrize("vocab_size", [FIRST_ID, 300, 600, 900])
def test_saved_tokens_add_up_to_the_encoded_corpus(vocab_size: int) -> None:
    texts = module_sources()
    merges = merges_of(pretoken_counts(texts), vocab_size)
    tokenizer = build_tokenizer(alphabet_order(), merges, pattern())
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    total = sum(len(text.encode()) for text in texts)
    assert bytes_per_token_curve(total, FIRST_ID, merges)[-1] == (vocab_size, total / tokens)


@given(TABLES)
def test_saved_tokens_add_up_for_any_words(words: dict[bytes, int]) -> None:
    merges = merges_of(Counter(words), FIRST_ID + 40)
    tokenizer = build_tokenizer(alphabet_order(), merges, "[^ ]+")
    tokens = sum(len(tokenizer.encode(word.decode()).ids) * count for word, count in words.items())
    total = sum(len(word) * count for word, count in words.items())
    assert total - sum(merge.saved for merge in merges) == tokens


def test_a_smaller_vocabulary_is_the_start_of_a_larger_one() -> None:
    words = pretoken_counts(module_sources())
    assert merges_of(words, 400) == merges_of(words, 900)[: 400 - FIRST_ID]


@given(TABLES, SIZES)
def test_the_order_of_the_words_does_not_matter(words: dict[bytes, int], vocab_size: int) -> None:
    reversed_words = dict(reversed(words.items()))
    assert train_merges(reversed_words, byte_ids(), FIRST_ID, vocab_size, 1) == train_merges(
        words, byte_ids(), FIRST_ID, vocab_size, 1
    )
