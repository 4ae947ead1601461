"""max_lines, max_line_length and max_mean_line_length."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tohum.cleaning.rules.rejecting import STARCODER2, reject
from tohum.cleaning.rules.max_line_length import LONG_LINE, has_longer_line


@pytest.mark.parametrize("path", ["data/a.json", "README.md", "a.b/c.TXT", "git.1", "index.html"])
def test_prose_and_data_may_have_long_lines(path: str) -> None:
    assert reject("a word and a word " * 5000 + "\n", path, **STARCODER2) is None
    assert reject("a word and a word " * 6000 + "\n", path, **STARCODER2) == LONG_LINE


def test_a_folder_with_a_dot_is_not_a_language() -> None:
    assert reject("word " * 300, "notes.md/main", **STARCODER2) == LONG_LINE


@settings(deadline=None, max_examples=50)
@given(st.text("ab\nğ", min_size=1, max_size=80), st.integers(1, 9))
def test_lines_are_measured_as_split_measures_them(text: str, limit: int) -> None:
    lines = text.split("\n")
    lengths = [len(line) for line in lines]
    assert has_longer_line(text, limit) == (max(lengths) > limit)
    assert (reject(text, max_line_length=limit) is not None) == (max(lengths) > limit)
    count = len(lines) - text.endswith("\n")
    assert (reject(text, max_lines=limit) is not None) == (count > limit)
    mean = sum(lengths) / count
    assert (reject(text, max_mean_line_length=limit) is not None) == (mean > limit)
