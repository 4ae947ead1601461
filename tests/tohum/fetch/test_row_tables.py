import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import yaml

from stages.compose.checking import check
from stages.compose.composition import compose
from tests.fakes import stack_rows
from tests.fakes.blobs import Blob, sample_blobs
from tests.fakes.stack_rows import parquet_bytes, released_text
from tohum.errors import UserError
from tohum.fetch.row_tables import READ_BYTES, READ_ROWS, ROWS, TYPES, read_rows
from tohum.sources.hub import HubSource

BLOBS = sample_blobs(150)
CONF = Path(__file__).parents[3] / "conf"
PYTHON_EDU = {"id": "blob_id", "path": "path", "repo": "repo_name", "bytes": "length_bytes"}
STACK_SMOL = {"content": "content", "path": "path", "license": "licenses", "bytes": "size"}

Columns = dict[str, str]


def preset(name: str) -> Columns:
    """The columns of a preset of conf/source."""
    source = check(compose(CONF, [f"source={name}"])).source
    assert isinstance(source, HubSource)
    return source.columns


def by_repository(blobs: list[Blob]) -> list[Blob]:
    """The blobs in the order in which a table of repositories has them."""
    names = list(dict.fromkeys(blob.repo_name for blob in blobs))
    return [blob for name in names for blob in blobs if blob.repo_name == name]


def repository_stars(blob: Blob) -> int:
    return next(other.stars for other in BLOBS if other.repo_name == blob.repo_name)


def read(table: pyarrow.Table, columns: Columns, groups: int | None = 1000) -> pyarrow.Table:
    tables = read_rows(io.BytesIO(parquet_bytes(table, groups)), columns, "a.parquet")
    return pyarrow.concat_tables(list(tables))


def test_a_column_with_a_dot_in_its_name_is_found() -> None:
    table = pyarrow.table(
        {"meta": [1, 2], "meta.text": ["a", "b"], "meta.files": [[{"id": "x"}]] * 2}
    )
    columns = {"content": "meta.text", "bytes": "meta"}
    assert read(table, columns).to_pylist() == [
        {"content": "a", "bytes": 1},
        {"content": "b", "bytes": 2},
    ]
    assert read(table, {"id": "meta.files.id"}).to_pylist() == [{"id": "x"}] * 2


def test_columns_of_two_lists_are_refused() -> None:
    table = pyarrow.table({"files": [[{"id": "x"}]], "tags": [[{"name": "y"}]]})
    with pytest.raises(UserError, match=r"parts of the lists files and tags of a\.parquet"):
        read(table, {"id": "files.id", "path": "tags.name"})


def test_large_rows_are_read_a_few_at_a_time() -> None:
    """So that memory is that of some of them, whatever a text's size."""
    table = pyarrow.table({"content": [str(number) + "x" * (8 << 20) for number in range(20)]})
    content = io.BytesIO(parquet_bytes(table, None))
    sizes = [len(rows) for rows in read_rows(content, {"content": "content"}, "a.parquet")]
    assert sum(sizes) == 20 and max(sizes) <= READ_BYTES >> 23


def full_row(blob: Blob) -> dict[str, Any]:
    """Every column that a blob can tell."""
    return {
        "id": blob.blob_id,
        "path": blob.path,
        "repo": blob.repo_name,
        "license": "; ".join(blob.licenses),
        "license_type": blob.license_type,
        "encoding": blob.encoding,
        "bytes": blob.length_bytes,
        "language": blob.language,
        "is_vendored": blob.is_vendor,
        "is_generated": blob.is_generated,
        "stars": blob.stars,
    }


def nested_row(blob: Blob) -> dict[str, Any]:
    return full_row(blob) | {"stars": repository_stars(blob)}


def v3_row(blob: Blob) -> dict[str, Any]:
    text = released_text(blob)
    return full_row(blob) | {"bytes": len(text.encode()), "content": text}


def smol_row(blob: Blob) -> dict[str, Any]:
    return full_row(blob) | {"content": blob.text, "path": blob.path.lstrip("/")}


@pytest.mark.parametrize("groups", [7, None])
@pytest.mark.parametrize(
    ("table", "columns", "row", "nested"),
    [
        (stack_rows.stack_v2, preset("stack_v2"), full_row, False),
        (stack_rows.stack_v2, preset("stack_v2_dedup"), full_row, False),
        (stack_rows.stack_edu, preset("stack_edu"), full_row, False),
        (stack_rows.python_edu, PYTHON_EDU, full_row, False),
        (stack_rows.stack_smol, STACK_SMOL, smol_row, False),
        (stack_rows.train_ids, preset("stack_v2_train_smol"), nested_row, True),
        (stack_rows.train_ids, preset("stack_v2_train_full"), nested_row, True),
        (stack_rows.stack_v3, preset("stack_v3"), v3_row, True),
    ],
)
def test_every_release_becomes_the_same_columns(
    table: Callable[[list[Blob]], pyarrow.Table],
    columns: Columns,
    row: Callable[[Blob], dict[str, Any]],
    nested: bool,
    groups: int | None,
) -> None:
    found = read(table(BLOBS), columns, groups)
    assert found.schema == pyarrow.schema({name: TYPES[name] for name in columns})
    blobs = by_repository(BLOBS) if nested else BLOBS
    expected = [{name: row(blob)[name] for name in columns} for blob in blobs]
    assert found.to_pylist() == expected


def test_every_preset_of_a_dataset_is_read_here() -> None:
    kinds = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in CONF.glob("source/*")}
    assert {name for name, preset in kinds.items() if preset.get("kind") == "hub"} == {
        *("hub", "stack_v2", "stack_v2_dedup", "stack_edu", "stack_v3"),
        *("stack_v2_train_smol", "stack_v2_train_full"),
    }


def test_tables_are_the_same_whatever_the_row_groups() -> None:
    table = stack_rows.stack_v2(sample_blobs(16)).take(
        [number % 16 for number in range(ROWS + 900)]
    )
    columns = {"id": "blob_id"}
    for groups in (1000, ROWS, None):
        file = io.BytesIO(parquet_bytes(table, groups))
        tables = list(read_rows(file, columns, "a.parquet"))
        assert max(len(part) for part in tables) <= ROWS
        found = pyarrow.concat_tables(tables)
        assert found["id"].to_pylist() == table["blob_id"].to_pylist()


def test_lists_that_are_empty_or_null_give_no_rows_and_keep_their_parents_right() -> None:
    files = pyarrow.list_(pyarrow.struct({"blob_id": pyarrow.string()}))
    table = pyarrow.table(
        {
            "repo_name": ["a", "b", "c", "d"],
            "files": pyarrow.array(
                [[{"blob_id": "1"}, {"blob_id": "2"}], [], None, [{"blob_id": None}, None]], files
            ),
        }
    )
    found = read(table, {"id": "files.blob_id", "repo": "repo_name"})
    assert found["id"].to_pylist() == ["1", "2", None, None]
    assert found["repo"].to_pylist() == ["a", "a", "d", "d"]


def test_large_lists_and_large_strings_in_a_list_are_read() -> None:
    inner = pyarrow.struct({"blob_id": pyarrow.large_string(), "path": pyarrow.large_string()})
    files = pyarrow.array([[{"blob_id": "1", "path": "a"}], []], pyarrow.large_list(inner))
    table = pyarrow.table({"files": files, "repo": pyarrow.array(["x", "y"])})
    found = read(table, {"id": "files.blob_id", "repo": "repo"})
    assert found.to_pylist() == [{"id": "1", "repo": "x"}]
    assert found.schema.field("id").type == pyarrow.string()


def test_more_files_than_a_table_holds_come_in_several() -> None:
    files = [{"blob_id": str(number)} for number in range(ROWS + 5)]
    table = pyarrow.table({"files": [files, files[:3]]})
    file = io.BytesIO(parquet_bytes(table))
    tables = list(read_rows(file, {"id": "files.blob_id"}, "a.parquet"))
    assert [len(part) for part in tables] == [ROWS, 8]


def refusal(table: pyarrow.Table, columns: Columns) -> str:
    with pytest.raises(UserError) as caught:
        read(table, columns)
    return str(caught.value)


def test_a_missing_column_names_those_that_are_there() -> None:
    message = refusal(stack_rows.python_edu(BLOBS), {"id": "blob_id", "encoding": "src_encoding"})
    assert message.startswith("a.parquet has no column src_encoding; it has blob_id, repo_name, ")


@pytest.mark.parametrize("column", ["files.sha", "files.blob_id.x", "repo_name.x", "absent.x"])
def test_a_missing_field_of_a_list_names_those_that_are_there(column: str) -> None:
    message = refusal(stack_rows.train_ids(BLOBS), {"id": column})
    assert f"has no column {column}; it has repo_name, repo_url, " in message
    assert "files.blob_id, files.path" in message


def test_a_column_that_is_not_ours_is_named() -> None:
    message = refusal(stack_rows.python_edu(BLOBS), {"id": "blob_id", "licence": "path"})
    assert "licence, which is not one of our columns" in message


def test_a_column_of_another_type_is_named() -> None:
    message = refusal(stack_rows.python_edu(BLOBS), {"id": "blob_id", "bytes": "path"})
    assert "the column path is string, expected int64" in message


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_what_is_not_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.parquet is not a parquet file"):
        next(read_rows(tmp_path / "a.parquet", {"id": "blob_id"}, "a.parquet"))


@pytest.mark.parametrize("nested", [False, True])
def test_memory_stays_flat_in_one_huge_row_group(tmp_path: Path, nested: bool) -> None:
    """Measured on the second half against the first: pages and buffers are the same in both."""
    path = tmp_path / "a.parquet"
    rows = 20 * READ_ROWS[nested]
    text = pyarrow.array(["x" * (500_000 if nested else 5000)] * READ_ROWS[nested])
    part: Any = {"content": text, "number": list(range(READ_ROWS[nested]))}
    if nested:
        part = {"files": [[{"content": value.as_py()}] for value in text]}
    first = pyarrow.table(part)
    with pyarrow.parquet.ParquetWriter(path, first.schema, use_dictionary=False) as writer:
        writer.write_table(pyarrow.concat_tables([first] * 20), row_group_size=rows)
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == 1
    del first, part, text
    column = "files.content" if nested else "content"
    before = pyarrow.total_allocated_bytes()
    held = [
        pyarrow.total_allocated_bytes() - before
        for _ in read_rows(path, {"content": column}, "a.parquet")
    ]
    whole = rows * (500_000 if nested else 5000)
    assert len(held) == 20
    assert max(held) < whole / 4
