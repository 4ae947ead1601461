import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tohum.readers.reading import blocks_of, rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import Broken, FileFormat, Row, detect, json_arrays

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@given(st.lists(JSON), st.sampled_from([None, 2]), st.booleans())
@shared_folder
def test_every_element_is_a_row_or_told(
    tmp_path: Path, elements: list[Any], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(elements, indent=indent, ensure_ascii=ascii_only)
    rows = rows_of(write(tmp_path / "a.json", text))

    assert [row.number for row in rows] == list(range(1, len(elements) + 1))
    for row, element in zip(rows, elements, strict=True):
        if isinstance(element, dict):
            assert row == Row(row.number, element)
        else:
            assert isinstance(row, Broken)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_list_in_an_object_is_the_rows(tmp_path: Path, encoding: str, suffix: str) -> None:
    rows = [{"soru": "Işık [1]?", "ek": [{"n": 1}]}, {"soru": 'bir "}" ayraç'}]
    text = json.dumps({"version": 1.1, "tags": ["x"], "data": rows}, ensure_ascii=False)
    content = text.encode(encoding)
    path = write(tmp_path / f"a.json{suffix}", gzip.compress(content) if suffix else content)

    assert values_of(path) == rows


def test_several_lists_are_a_question(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '{"train": [{"a": 1}], "test": [{"a": 2}]}')

    with pytest.raises(UserError, match="several lists of objects: train, test"):
        rows_of(path)


def test_of_many_lists_some_are_looked_at_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read for each, so all of them would take quadratic time."""
    looked: list[int] = []
    real = json_arrays._first

    def noted(path: Path, format: FileFormat, begin: int) -> Any:
        looked.append(begin)
        return real(path, format, begin)

    monkeypatch.setattr(json_arrays, "_first", noted)
    lists = {f"q{number}": [{"answer": "x"}] for number in range(3000)}
    with pytest.raises(UserError, match=r"several lists of objects: q0, .* and 2,980 more") as told:
        rows_of(write(tmp_path / "a.json", json.dumps(lists)))
    assert len(looked) == json_arrays.MOST_TRIED
    assert len(str(told.value)) < 1000


def test_an_object_that_is_a_conversation_is_one_row(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "x"}]}

    assert values_of(write(tmp_path / "a.json", json.dumps(chat, indent=2))) == [chat]


def test_json_with_an_object_a_line_is_jsonl(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '{"a": [1]}\n{"a": [2]}\n')

    assert detect(path).format == "jsonl"
    assert values_of(path) == [{"a": [1]}, {"a": [2]}]


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a"', '{"data": [{"a": 1}', '[{"a": 1}', "[1, 2"])
def test_an_array_that_is_cut_off_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"a\.json ends before its"):
        rows_of(write(tmp_path / "a.json", text))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_blocks_follow_each_other_without_a_gap(tmp_path: Path, suffix: str) -> None:
    elements = [{"n": n, "text": "x" * 1000} for n in range(20_000)]
    content = json.dumps(elements).encode()
    path = write(tmp_path / f"a.json{suffix}", gzip.compress(content, 1) if suffix else content)
    blocks = blocks_of(path)

    assert len(blocks) > 1
    assert [row for block in blocks for row in block.rows()] == [
        Row(number, element) for number, element in enumerate(elements, 1)
    ]
