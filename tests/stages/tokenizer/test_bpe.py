import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random

import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from stages.tokenizer import bpe
from stages.tokenizer.bpe import train_merges as train_on_table
from stages.tokenizer.merges import Merge, cut_merges, merged_bytes, token_counts
from stages.tokenizer.pairs import COUNT, SIZE
from stages.tokenizer.training import build_tokenizer, bytes_per_token_curve
from tests.tiny import (
    documents,
    merges_of,
    module_sources,
    pattern,
    pretoken_counts,
)
from tohum.formats.alphabet import FIRST_ID, alphabet_order, byte_characters, byte_ids
from tohum.formats.pretoken_table import rows_of

pytestmark = pytest.mark.slow


BYTES = list(range(256))  # each byte's id is its value
RUNS = st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 7)).map(
    lambda run: run[0] * run[1]
)
WORDS = st.lists(RUNS, min_size=1, max_size=8).map(b"".join)
TABLES = st.dictionaries(WORDS, st.integers(1, 6), min_size=1, max_size=8)
SIZES = st.integers(256, 330)
FREQUENCIES = st.integers(1, 4)


def train_merges(
    words: Mapping[bytes, int],
    ids: list[int],
    first_id: int,
    vocab_size: int,
    min_frequency: int,
    forbidden: Sequence[tuple[int, int]] = (),
) -> list[Merge]:
    table = [rows_of(words.items())]
    return train_on_table(table, ids, first_id, vocab_size, min_frequency, forbidden)


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


@settings(deadline=None)
@given(TABLES, SIZES, FREQUENCIES)
@example({b"aaaa": 1, b"aaa": 1}, 300, 1)
@example({b"abc": 5, b"ab": 1, b"bc": 1, b"abcabc": 2}, 300, 1)
def test_merges_are_those_of_the_definition(
    words: dict[bytes, int], vocab_size: int, min_frequency: int
) -> None:
    merges = train_merges(words, BYTES, 256, vocab_size, min_frequency)
    assert merges == simple_merges(words, vocab_size, min_frequency)


@settings(deadline=None)
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


@settings(deadline=None)
@given(TABLES, SIZES)
def test_no_two_merges_make_the_same_token(words: dict[bytes, int], vocab_size: int) -> None:
    content = [bytes([byte]) for byte in BYTES]
    for merge in train_merges(words, BYTES, 256, vocab_size, 1):
        assert merge.id == len(content)
        content.append(content[merge.left] + content[merge.right])
    assert len(set(content)) == len(content)


@settings(deadline=None)
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


def test_ours_is_right_where_the_32_bits_of_tokenizers_wrap() -> None:
    # (a, b) is seen 2^32 + 3 times: more than (c, d), but 3 times in 32 bits.
    words = {b"ab" * 128: 2**25, b"ab": 3, b"cd": 5}
    merges = train_merges(words, BYTES, 256, 258, 1)
    assert (merges[0].left, merges[0].right, merges[0].count) == (*b"ab", 2**32 + 3)
    wrapped = {b"ab": (2**32 + 3) % 2**32, b"cd": 5}
    assert merges_by_tokenizers(wrapped, 257, 1) == [("c", "d")] != merges_by_us(words, 257, 1)


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


@settings(deadline=None)
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


@settings(deadline=None)
@given(TABLES, SIZES)
def test_the_order_of_the_words_does_not_matter(words: dict[bytes, int], vocab_size: int) -> None:
    reversed_words = dict(reversed(words.items()))
    assert train_merges(reversed_words, byte_ids(), FIRST_ID, vocab_size, 1) == train_merges(
        words, byte_ids(), FIRST_ID, vocab_size, 1
    )


@settings(deadline=None)
@given(TABLES, SIZES, FREQUENCIES, SIZES, FREQUENCIES)
def test_a_cut_list_is_that_of_a_training_from_scratch(
    words: dict[bytes, int], vocab_size: int, min_frequency: int, smaller: int, higher: int
) -> None:
    smaller, higher = min(vocab_size, smaller), max(min_frequency, higher)
    merges = train_merges(words, BYTES, 256, vocab_size, min_frequency)
    scratch = train_merges(words, BYTES, 256, smaller, higher)
    assert cut_merges(merges, 256, smaller, higher) == scratch


@settings(deadline=None)
@given(TABLES, SIZES)
def test_the_count_that_is_chosen_never_increases(words: dict[bytes, int], vocab_size: int) -> None:
    counts = [merge.count for merge in train_merges(words, BYTES, 256, vocab_size, 1)]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("vocab_size", [300, 1200])
def test_a_cut_list_of_code_is_that_of_a_training_from_scratch(vocab_size: int) -> None:
    words = pretoken_counts(module_sources())
    merges = merges_of(words, 2000, 2)
    for min_frequency in (2, 7, 50):
        assert cut_merges(merges, FIRST_ID, vocab_size, min_frequency) == merges_of(
            words, vocab_size, min_frequency
        )


def test_ids_of_more_than_16_bits_are_those_of_16() -> None:
    random = Random(1)
    words = Counter(random.randbytes(8) for _ in range(20_000))
    merges = merges_of(words, 2**16, 1)
    assert merges[-1].id == 2**16 - 1
    assert merges_of(words, 2**16 + 1, 1)[:-1] == merges


@settings(deadline=None)
@given(TABLES, SIZES, FREQUENCIES, st.integers(1, 50))
def test_a_round_with_little_room_for_its_lists_gives_the_same_merges(
    words: dict[bytes, int], vocab_size: int, min_frequency: int, room: int
) -> None:
    merges = train_merges(words, BYTES, 256, vocab_size, min_frequency)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe, "LISTED_WORDS", room)
        assert train_merges(words, BYTES, 256, vocab_size, min_frequency) == merges


def test_lists_of_places_beyond_32_bits_give_the_same_merges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = pretoken_counts(module_sources())
    merges = merges_of(words, 900)
    monkeypatch.setattr(bpe, "SMALL_PLACES", 0)
    assert merges_of(words, 900) == merges


def test_a_round_lists_the_most_frequent_pairs_that_fit() -> None:
    pairs = numpy.zeros((4, 4), numpy.int64)
    pairs[:, COUNT], pairs[:, SIZE] = [5, 9, 7, 7], [1, 2, 3, 4]
    with pytest.MonkeyPatch.context() as patch:
        for room, least in ((10, 0), (9, 6), (5, 8), (4, 8), (2, 8), (1, 9)):
            patch.setattr(bpe, "LISTED_WORDS", room)
            assert bpe.least_that_fits(pairs) == least


def test_a_forbidden_pair_is_never_merged_and_the_others_are() -> None:
    words = {b"xyz": 9, b"xy": 2, b"ab": 3}
    pairs = [
        (merge.left, merge.right) for merge in train_merges(words, BYTES, 256, 300, 1, [(*b"xy",)])
    ]
    assert pairs == [tuple(b"yz"), (ord("x"), 256), tuple(b"ab")]


def test_a_forbidden_pair_that_stays_the_most_frequent_one_does_not_stop_the_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bpe, "LISTED_WORDS", 1)
    words = {b"xy": 900, b"ab": 3, b"abc": 2, b"cd": 2}
    merges = train_merges(words, BYTES, 256, 300, 2, [(*b"xy",)])
    assert [merge.count for merge in merges] == [5, 2, 2]


@settings(deadline=None)
@given(TABLES, SIZES)
def test_counts_of_tokens_are_those_of_the_segmented_table(
    words: dict[bytes, int], vocab_size: int
) -> None:
    merges = merges_of(words, vocab_size)
    byte_counts = Counter[int]()
    for word, count in words.items():
        byte_counts.update({byte: number * count for byte, number in Counter(word).items()})
    tokenizer = build_tokenizer(alphabet_order(), merges, "[^ ]+")
    found: Counter[int] = Counter()
    for word, count in words.items():
        for id in tokenizer.encode(word.decode()).ids:
            found[id] += count
    counts = token_counts(byte_ids(), [byte_counts[byte] for byte in BYTES], FIRST_ID, merges)
    assert {id: count for id, count in enumerate(counts) if count} == found


@settings(deadline=None)
@given(TABLES)
def test_the_bytes_of_a_token_are_those_that_are_merged(words: dict[bytes, int]) -> None:
    merges = merges_of(words, FIRST_ID + 20)
    tokens = merged_bytes(byte_ids(), FIRST_ID, merges)
    assert all(any(token in word for word in words) for token in tokens[FIRST_ID:])
    assert len(set(tokens[9:])) == len(tokens) - 9
