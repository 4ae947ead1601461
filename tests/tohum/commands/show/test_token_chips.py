from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.train.masks import target_mask
from tests.tohum.commands.show.asking import asked
from tohum.commands.show.token_chips import show, tokens_of
from tohum.formats.special_tokens import END_OF_TEXT_ID
from tohum.formats.tokenizer import load_tokenizer


@given(text=st.text(min_size=1, max_size=30))
def test_a_text_is_shown_as_the_tokenizer_cuts_it(shown_project: Path, text: str) -> None:
    folder = shown_project / "models" / "tokenizer"
    tokens = tokens_of(text, None, folder)
    assert [token.id for token in tokens] == load_tokenizer(folder).encode(text).ids
    assert sum(token.size for token in tokens) == len(text.encode())


@given(question=st.text(min_size=1, max_size=9), answer=st.text(min_size=1, max_size=9))
def test_what_counts_is_what_training_counts(
    shown_project: Path, question: str, answer: str
) -> None:
    tokens = tokens_of(question, answer, shown_project / "models" / "tokenizer")
    ids = numpy.array([token.id for token in tokens])
    counted = target_mask(ids, END_OF_TEXT_ID)
    assert [token.counts for token in tokens[1:]] == counted.tolist()


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize("width", [20, 80])
def test_the_lines_fit_the_terminal(width: int) -> None:
    lines, _ = show(asked("tokens", "def f(x):\n    return x"), width)
    assert max(len(line) for line in lines[:3]) <= width
    assert "bytes per token" in lines[-1]


@pytest.mark.usefixtures("in_project")
def test_each_token_is_in_the_picture() -> None:
    _, drawing = show(asked("tokens", "a b"), 80)
    assert drawing.svg().count('text-anchor="middle"') == 2 * len(
        tokens_of("a b", None, Path("models/tokenizer"))
    )
