import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.encode.encoder import make_encoder
from stages.encode.round_trip import ByteTokenizer, RoundTrips, damaged
from tests.stages.encode.test_encoder import tokenizer_of
from tests.tiny import module_sources, pattern

DTYPE = numpy.dtype("<u2")


@pytest.fixture(scope="module", params=[pattern("gpt4"), r"\p{L}+|[^\p{L}]+"])
def byte_tokenizer(request: pytest.FixtureRequest) -> ByteTokenizer:
    """One that encodes compiled, and one that leaves it to `tokenizers`."""
    tokenizer = tokenizer_of(request.param)
    return ByteTokenizer(tokenizer, make_encoder(tokenizer, DTYPE, 1))


@settings(deadline=None, max_examples=300)
@given(data=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: text.encode()[1:]))
@example(bytes(range(256)))
@example(b"\xed\xa0\x80\xf5\xc0\xaf\xe4\xb8")
@example(b"")
def test_any_bytes_come_back(byte_tokenizer: ByteTokenizer, data: bytes) -> None:
    assert byte_tokenizer.decode(byte_tokenizer.encode(data)) == data


def test_bytes_that_are_text_have_the_ids_of_the_text(byte_tokenizer: ByteTokenizer) -> None:
    for text in [*module_sources(), "é中\U0001f600 <|endoftext|>"]:
        ids = byte_tokenizer.tokenizer.encode(text, add_special_tokens=False).ids
        assert byte_tokenizer.encode(text.encode()) == ids


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), seed=st.text(max_size=3))
def test_a_damaged_text_is_no_utf_8(text: str, seed: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        damaged(text, seed).decode()
    assert damaged(text, seed) == damaged(text, seed)


def test_a_byte_that_is_lost_is_told(byte_tokenizer: ByteTokenizer) -> None:
    whole = byte_tokenizer.tokens
    text = "def f():\n"
    (ids,) = byte_tokenizer.encode_texts([text])
    assert byte_tokenizer.there_and_back(text, ids, "") == RoundTrips(1, 1, 1, 1)
    try:
        byte_tokenizer.tokens = [token.replace(b"\xff", b"") for token in whole]
        assert byte_tokenizer.there_and_back(text, ids[:-1], "") == RoundTrips(1, 0, 1, 0)
    finally:
        byte_tokenizer.tokens = whole


def test_shares_are_of_all_parts_together() -> None:
    trips = RoundTrips(3, 3, 3, 1)
    trips.add(RoundTrips(1, 0, 1, 1))
    assert trips.metrics() == {"texts": 4, "texts_back": 0.75, "invalid_utf8_back": 0.5}
