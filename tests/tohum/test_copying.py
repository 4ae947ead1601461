"""Copies as a second opinion: what is found, how much it counts, and what the model decides."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.tiny import write_tiny_tokenizer
from tohum.copying import LEAST_MATCH, Copier, Surroundings, longest_match, mixed, weight
from tohum.decoding import Prompt, Sampling, Spelling, text_prompt, write
from tohum.formats.special_tokens import END_OF_TEXT_ID
from tohum.formats.tokenizer import token_bytes

EARLIER = "def area(width, height):\n    return width * height\n\n"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return write_tiny_tokenizer(tmp_path_factory.mktemp("t") / "tokenizer")


def followed(tokenizer: Tokenizer, surroundings: Surroundings, count: int) -> bytes:
    """What the copy goes on with, if each of its ids is taken."""
    words = token_bytes(tokenizer)
    copier, written = Copier(surroundings, words), b""
    for _ in range(count):
        advice = copier.advice(written)
        if advice is None:
            break
        written += words[advice[0]]
    return written


class Indifferent:
    """A model that finds all ids alike, but one."""

    context = 64

    def __init__(self, words: int, likeliest: int) -> None:
        self.values = torch.zeros(words)
        self.values[likeliest] = 0.1

    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        return self.values.clone()


def written(tokenizer: Tokenizer, likeliest: int, copying: float, text: str) -> bytes:
    words = token_bytes(tokenizer)
    prompt = text_prompt(tokenizer, text)
    prompt = Prompt(prompt.ids, True, surroundings=Surroundings(tokenizer, text))
    reader = Indifferent(len(words), likeliest)
    steps = write(reader, prompt, Sampling(8, copying=copying), Spelling(words))
    return b"".join(words[step.id] for step in steps)


def test_the_longest_match_is_the_one_that_counts() -> None:
    text = b"one = first(1)\ntwo = first(2)\none = "
    assert longest_match(b"alpha = f(1)\nbeta = f(1)\nalpha = f(") == (
        10,
        b"1)\nbeta = f(1)\nalpha = f(",
    )
    assert longest_match(text) == (0, b"")  # b"one = " is shorter than LEAST_MATCH
    assert longest_match(b"x" * 3) == (0, b"")
    size, draft = longest_match(b"value = 1\n", b"other = 2\nvalue = 1\nlast = 3\n")
    assert (size, draft) == (10, b"last = 3\n")


@given(st.text("ab\n", max_size=60), st.text("ab\n", max_size=60))
def test_a_match_is_the_longest_there_is(before: str, after: str) -> None:
    text, behind = before.encode(), after.encode()
    size, draft = longest_match(text, behind)

    def stands(count: int) -> bool:
        end = text[len(text) - count :]
        return end in text[:-1] or end in behind

    longest = max((count for count in range(1, len(text) + 1) if stands(count)), default=0)
    assert size == (longest if longest >= LEAST_MATCH else 0)
    assert (text[len(text) - size :] + draft in text + b"\0" + behind) or not size


def test_a_copy_is_followed_and_counts_more_as_it_goes_on(tokenizer: Tokenizer) -> None:
    text = f"{EARLIER}x = 1\n\ndef area(width, "
    around = Surroundings(tokenizer, text)
    assert b"height):\n    return width".startswith(followed(tokenizer, around, 4))
    copier, words = Copier(around, token_bytes(tokenizer)), token_bytes(tokenizer)
    first = copier.advice(b"")
    assert first is not None
    match = len("def area(width, ")
    assert first[1] == pytest.approx(weight(match))
    second = copier.advice(words[first[0]])
    assert second is not None and second[1] > first[1]


def test_what_is_still_to_be_spelled_is_spelled_first(tokenizer: Tokenizer) -> None:
    around = Surroundings(tokenizer, f"{EARLIER}def area(wid", start=3)
    assert followed(tokenizer, around, 30).startswith(b"width, height):\n    return")


def test_another_text_has_another_copy(tokenizer: Tokenizer) -> None:
    words = token_bytes(tokenizer)
    around = Surroundings(tokenizer, f"first_name = 1\nother_name = 2\n{'z' * 20}\nfirst_name = ")
    copier = Copier(around, words)
    one = copier.advice(b"")
    assert one is not None and b"1\n".startswith(words[one[0]])
    two = copier.advice(b"3\nother_name = ")
    assert two is not None and b"2\n".startswith(words[two[0]])
    assert copier.advice(b"3\nother_name = never seen") is None


def test_half_a_character_is_no_error(tokenizer: Tokenizer) -> None:
    text = "name = 'çğışöü'\nname = 'çğ"
    copier = Copier(Surroundings(tokenizer, text), token_bytes(tokenizer))
    assert copier.advice(b"") is not None
    copier.advice("ı".encode()[:1])
    copier.advice(b"\xff\xfe unknown")


def test_the_weight_is_added_to_the_probability() -> None:
    logits = torch.tensor([0.5, 1.0, -2.0, 0.0])
    before = torch.softmax(logits, 0)
    after = torch.exp(mixed(logits, 2, 0.25))
    expected = 0.75 * before
    expected[2] += 0.25
    assert torch.allclose(after, expected, atol=1e-6)


def test_the_model_alone_writes_unless_copying_is_asked_for(tokenizer: Tokenizer) -> None:
    text = f"{EARLIER}def area(width, "
    likeliest = len(token_bytes(tokenizer)) - 1
    own = token_bytes(tokenizer)[likeliest]
    assert written(tokenizer, likeliest, 0, text) == own * 8
    assert b"height):\n    return".startswith(written(tokenizer, likeliest, 1, text)[:12])
    assert written(tokenizer, likeliest, 1, "nothing here comes twice") == own * 8


def test_where_a_text_ends_is_the_models_decision(tokenizer: Tokenizer) -> None:
    assert written(tokenizer, END_OF_TEXT_ID, 1, f"{EARLIER}def area(width, ") == b""
