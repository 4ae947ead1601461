from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tohum.cleaning.rules.rejecting import STARCODER2, reject
from tohum.cleaning.rules.min_alphabetic_share import FEW_LETTERS


def test_digits_count_as_letters_in_assembly_of_webassembly() -> None:
    text = "(i32.const 1000000000)\n"
    assert reject(text, "a.wat", min_alphabetic_share=0.5) is None
    assert reject(text, "a.py", min_alphabetic_share=0.5) == FEW_LETTERS


def test_letters_of_every_alphabet_count() -> None:
    assert reject("# ğüşıöç ĞÜŞİÖÇ 1234\n", **STARCODER2) is None
    assert reject("# число 12345\n", min_alphabetic_share=0.3) is None
    assert reject("# →→→→→ 12345\n", min_alphabetic_share=0.3) == FEW_LETTERS


@settings(deadline=None, max_examples=50)  # the first call compiles
@given(st.text(min_size=1, max_size=60), st.floats(0, 1))
def test_letters_are_those_of_unicode(text: str, share: float) -> None:
    found = reject(text, min_alphabetic_share=share)
    assert (found is not None) == (sum(map(str.isalpha, text)) < share * len(text))
