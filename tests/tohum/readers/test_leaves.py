"""Of parquet only the columns are read that the mapping needs."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tohum.errors import UserError
from tohum.fields import compile_fields
from tohum.readers import Broken, detect, read_blocks
from tohum.readers.leaves import find_leaves
from tohum.readers.parquet import column_names

ROWS: list[dict[str, Any]] = [
    {
        "soru": f"soru {n}",
        "cevap": f"cevap {n}",
        "embedding": [float(n + k) for k in range(300)],
        "meta": {"repo": f"owner/{n}", "huge": f"{n}" * 500} if n % 7 else None,
        "files": [{"path": f"{k}.py", "text": f"x = {k}", "tokens": [n, k]} for k in range(n % 3)],
        "tags": [("a", "b")],
    }
    for n in range(300)
]
SCHEMA = pyarrow.schema(
    {
        "soru": pyarrow.string(),
        "cevap": pyarrow.string(),
        "embedding": pyarrow.list_(pyarrow.float32()),
        "meta": pyarrow.struct({"repo": pyarrow.string(), "huge": pyarrow.string()}),
        "files": pyarrow.list_(
            pyarrow.struct(
                {
                    "path": pyarrow.string(),
                    "text": pyarrow.string(),
                    "tokens": pyarrow.list_(pyarrow.int64()),
                }
            )
        ),
        "tags": pyarrow.map_(pyarrow.string(), pyarrow.string()),
    }
)
QUESTIONS = {"user": "soru", "assistant": "cevap", "repo": "meta.repo"}
FILES = {"content": "# {files[].path}\n\n{files[].text}", "path": "files[].path"}


def save(path: Path, row_group_size: int = 100) -> Path:
    table = pyarrow.Table.from_pylist(ROWS, SCHEMA)
    pyarrow.parquet.write_table(table, path, row_group_size=row_group_size, use_dictionary=False)
    return path


def damage_all_but(path: Path, kept: set[str]) -> None:
    """Overwrites the chunks of every other leaf column, named as parquet does."""
    metadata = pyarrow.parquet.read_metadata(path)
    content = bytearray(path.read_bytes())
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(number)
            if chunk.path_in_schema not in kept:
                start, size = chunk.data_page_offset, chunk.total_compressed_size
                content[start : start + size] = b"\xff" * size
    path.write_bytes(content)


def mapped(path: Path, given: dict[str, str], narrow: bool) -> list[Any]:
    fields, needed = compile_fields(given, "jsonl.fields"), None
    if narrow:
        decided = fields.decide(column_names(path))
        assert decided is not None
        fields, needed = decided
    rows = [row for block in read_blocks(path, detect(path), needed) for row in block.rows()]
    assert not [row for row in rows if isinstance(row, Broken)]
    return [
        (row.number, record)
        for row in rows
        if not isinstance(row, Broken)
        for record in fields.records(row.values)
    ]


@pytest.mark.parametrize("row_group_size", [1, 100, 300])
@pytest.mark.parametrize("given", [{}, QUESTIONS, FILES])
def test_the_needed_columns_make_the_records_of_all(
    tmp_path: Path, given: dict[str, str], row_group_size: int
) -> None:
    path = save(tmp_path / "a.parquet", row_group_size)

    assert mapped(path, given, narrow=True) == mapped(path, given, narrow=False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {"soru", "cevap"}),
        (QUESTIONS, {"soru", "cevap", "meta.repo"}),
        (FILES, {"files.list.element.path", "files.list.element.text"}),
    ],
)
def test_a_column_that_is_not_needed_is_never_read(
    tmp_path: Path, given: dict[str, str], kept: set[str]
) -> None:
    path = save(tmp_path / "a.parquet")
    expected = mapped(path, given, narrow=True)
    damage_all_but(path, kept)

    assert mapped(path, given, narrow=True) == expected
    with pytest.raises(UserError, match="is damaged"):
        mapped(path, given, narrow=False)


def test_a_path_that_leads_nowhere_leaves_all_columns() -> None:
    assert find_leaves(SCHEMA, 10, [("soru",), ("meta", "depo")]) is None
    assert find_leaves(SCHEMA, 10, [("meta",)]) == [3, 4]
    assert find_leaves(SCHEMA, 10, [("files", "text")]) == [6]
    assert find_leaves(SCHEMA, 10, [("cevap", "deeper")]) == [1]


def test_a_column_that_is_missing_is_told_among_all_of_them(tmp_path: Path) -> None:
    fields = compile_fields({"content": "kod"}, "jsonl.fields")

    assert fields.decide(column_names(save(tmp_path / "a.parquet"))) is None
