from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tohum.commands.show.asking import asked
from tohum.commands.show.merge_steps import by_pair, merge_steps, read_merges, show
from tohum.errors import UserError
from tohum.formats.tokenizer import load_tokenizer, token_bytes


@given(word=st.text("deflnrtu_ığ", min_size=1, max_size=12))
def test_the_steps_lead_from_bytes_to_the_tokens(shown_project: Path, word: str) -> None:
    folder = shown_project / "models" / "tokenizer"
    tokenizer = load_tokenizer(folder)
    pretokens = tokenizer.pre_tokenizer.pre_tokenize_str(word)
    pairs, vocabulary = by_pair(read_merges(folder)), token_bytes(tokenizer)
    ids = []
    for _, (start, end) in pretokens:
        steps = merge_steps(word[start:end].encode(), pairs)
        assert len(steps[0].ids) == len(word[start:end].encode())
        for step in steps:
            assert b"".join(vocabulary[id] for id in step.ids) == word[start:end].encode()
        ids += steps[-1].ids
    assert ids == tokenizer.encode(word).ids


@pytest.mark.usefixtures("in_project")
def test_without_a_text_the_first_merges_are_listed() -> None:
    lines, drawing = show(asked("merges", "count=5"), 80)
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert drawing.svg().count(">→<") == 5


@pytest.mark.usefixtures("in_project")
@pytest.mark.parametrize("width", [24, 80])
def test_the_lines_fit_the_terminal_and_end_in_the_tokens(width: int) -> None:
    lines, _ = show(asked("merges", "return self"), width)
    assert max(map(len, lines[:-1])) <= width
    tokenizer = load_tokenizer(Path("models/tokenizer"))
    assert len(lines[-1].split("·")) == len(tokenizer.encode("return self").ids)


def test_a_missing_list_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"merges\.csv is missing\. Run `dvc repro tokenizer`"):
        read_merges(tmp_path)
