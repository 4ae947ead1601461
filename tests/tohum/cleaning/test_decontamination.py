import gzip
import json
import sys
import sysconfig
from pathlib import Path

import pytest

from tohum.cleaning.decontamination import Problems, load, main, make, read_problems, save
from tohum.errors import UserError

PROMPT = '''def tide(heights: list, hour: int) -> float:
    """ Given the heights of the tide at every hour of one day, tell the height at an
    hour between two of them, by the line from the earlier to the later one.
    >>> tide([1.0, 2.0], 0.5)
    1.5
    """
'''
SOLUTION = """    earlier = int(hour)
    later = min(earlier + 1, len(heights) - 1)
    share = hour - earlier
    difference = heights[later] - heights[earlier]
    return heights[earlier] + share * difference
"""
PROBLEM = {
    "task_id": "Sea/1",
    "prompt": PROMPT,
    "canonical_solution": SOLUTION,
    "entry_point": "tide",
}


@pytest.fixture(scope="module")
def problems() -> Problems:
    return make([PROBLEM], {})


def test_a_docstring_in_other_code_is_found(problems: Problems) -> None:
    comment = "\n".join(f" * {line}" for line in PROMPT.splitlines())
    assert problems.match("import os\n" * 99 + PROMPT) == "Sea/1"
    assert problems.match(f"/*\n{comment}\n*/\nfunction tide(heights, hour) {{}}") == "Sea/1"


def test_a_solution_without_its_docstring_is_found(problems: Problems) -> None:
    assert problems.match("def f(heights, hour):\n" + SOLUTION) == "Sea/1"


def test_less_than_half_of_it_is_not_enough(problems: Problems) -> None:
    assert problems.match(PROMPT[: len(PROMPT) // 3]) is None
    assert problems.match("") is None


def test_an_opening_that_every_solution_has_is_no_problem() -> None:
    short = {**PROBLEM, "canonical_solution": "    return sorted(heights)[-hour:]\n"}
    assert make([short], {}).match(short["canonical_solution"]) is None


def test_a_saved_set_is_the_same_and_its_bytes_are(problems: Problems, tmp_path: Path) -> None:
    for name in ("first.npz", "second.npz"):
        save(problems, tmp_path / name)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert load(tmp_path / "first.npz").match(PROMPT) == "Sea/1"


def test_the_command_notes_what_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "Sea.jsonl.gz", tmp_path / "sea.npz"
    path.write_bytes(gzip.compress(json.dumps(PROBLEM).encode(), mtime=0))
    arguments = [str(path), "--revision", "tide 1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["decontamination", *arguments])
    main()
    assert "1 problems" in capsys.readouterr().out
    source = load(out).source
    assert source["revision"] == "tide 1"
    assert len(source["sha256"]) == 64


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ('{"task_id": 2, "text": "x", "code": "y"}', r"line 3 of .*mbpp\.jsonl has no 'prompt'"),
        ("[1]", "line 3 of .* has no 'task_id'"),
        ('{"task_id": ', "line 3 of .* is not JSON"),
    ],
)
def test_problems_of_another_kind_are_an_error_with_the_line(
    tmp_path: Path, second: str, told: str
) -> None:
    path = tmp_path / "mbpp.jsonl"
    content = f"{json.dumps(PROBLEM)}\n\n{second}\n".encode()
    with pytest.raises(UserError, match=told):
        list(read_problems(path, content))
    assert list(read_problems(path, content.splitlines()[0] + b"\n\n")) == [PROBLEM]


def test_the_command_replaces_no_known_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["decontamination", str(tmp_path / "mine.jsonl")])
    with pytest.raises(SystemExit):
        main()
    assert "--out" in capsys.readouterr().err


def test_humaneval_is_there_whole_and_is_not_in_the_standard_library() -> None:
    humaneval = load("humaneval")
    assert len(set(humaneval.names)) == 164
    assert humaneval.source["revision"].startswith("openai/human-eval 463c980b")
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        assert humaneval.match(path.read_text(encoding="utf-8", errors="replace")) is None, path


def test_an_unknown_test_set_is_an_error_that_names_those_known() -> None:
    with pytest.raises(UserError, match="humaneval"):
        load("humanevil")


@pytest.mark.parametrize("content", [b"", b'{"task_id": "Sea/1"}\n', b"PK\x03\x04 cut off"])
def test_a_file_of_something_else_is_an_error_that_says_how_to_make_one(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "HumanEval.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match="--out"):
        load(path)
