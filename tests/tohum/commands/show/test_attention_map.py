from pathlib import Path

import pytest

from tests.tohum.commands.show.asking import asked
from tohum.commands.show.attention_map import MOST_TOKENS, read_attention, show
from tohum.errors import UserError
from tohum.inference import load_language_model

pytestmark = pytest.mark.usefixtures("in_project")
LM = Path("models/lm")


@pytest.mark.parametrize("keys", [(), ("layer=1", "head=2"), ("chat=true",)])
def test_each_token_looks_at_itself_and_what_is_before_it(keys: tuple[str, ...]) -> None:
    attention = read_attention(LM, asked("attention", "a = b", *keys))
    for row, shares in enumerate(attention.shares):
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert not any(shares[row + 1 :])


def test_all_heads_are_the_mean_of_each() -> None:
    mean = read_attention(LM, asked("attention", "ab cd", "layer=1")).shares
    one, two = (
        read_attention(LM, asked("attention", "ab cd", "layer=1", f"head={head}")).shares
        for head in (1, 2)
    )
    assert mean[-1] == pytest.approx(
        [(left + right) / 2 for left, right in zip(one[-1], two[-1], strict=True)], abs=1e-6
    )


def test_the_lines_fit_the_terminal_and_the_picture_has_a_cell_for_each_pair() -> None:
    lines, drawing = show(asked("attention", "a b"), 40)
    tokens = len(lines) - 2
    assert max(map(len, lines[2:])) <= 40
    assert drawing.svg().count("<title>") == 1 + tokens * (tokens + 1) // 2


@pytest.mark.parametrize("key", ["layer", "head"])
def test_a_part_that_the_model_does_not_have_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=f"{key} is 9, expected at most 2"):
        read_attention(LM, asked("attention", "a", f"{key}=9"))


def test_a_text_longer_than_the_context_is_cut_to_it() -> None:
    letters = read_attention(LM, asked("attention", "xq" * 40)).letters
    assert len(letters) == load_language_model(LM).context <= MOST_TOKENS
