"""The made-up blobs and the parquet files that name them."""

import io
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tests.fakes import schemas, stack_rows
from tests.fakes.blobs import ENCODINGS, Blob, sample_blobs


def test_samples_are_reproducible_and_decode_by_their_encoding() -> None:
    blobs = sample_blobs(40, seed=3)
    assert blobs == sample_blobs(40, seed=3) != sample_blobs(40, seed=4)
    assert {blob.encoding for blob in blobs} == set(ENCODINGS)
    assert len({blob.blob_id for blob in blobs}) == 36
    for blob in blobs:
        assert blob.text
        if blob.encoding != "UTF-8":
            with pytest.raises(UnicodeDecodeError):
                blob.content.decode()
    with pytest.raises(LookupError):
        "".encode("WINDOWS-874")


@pytest.mark.parametrize(
    ("table", "schema", "columns"),
    [
        (stack_rows.stack_v2, schemas.STACK_V2, 26),
        (stack_rows.train_ids, schemas.TRAIN_IDS, 19),
        (stack_rows.stack_edu, schemas.STACK_EDU, 10),
        (stack_rows.python_edu, schemas.PYTHON_EDU, 6),
        (stack_rows.stack_v3, schemas.STACK_V3, 6),
        (stack_rows.stack_smol, schemas.STACK_SMOL, 9),
    ],
)
def test_tables_keep_their_types_in_parquet(
    table: Any, schema: pyarrow.Schema, columns: int
) -> None:
    blobs = sample_blobs(30)
    written = stack_rows.parquet_bytes(table(blobs), row_group_size=None)
    read = pyarrow.parquet.read_table(io.BytesIO(written))
    assert read.schema.equals(schema) and len(schema) == columns
    assert read.num_rows == sum(1 for _ in read.to_pylist()) > 0
    assert written == stack_rows.parquet_bytes(table(blobs), row_group_size=None)


def test_row_groups_are_as_asked() -> None:
    table = stack_rows.stack_v2(sample_blobs(25))
    for size, groups in ((10, 3), (1000, 1), (None, 1)):
        written = io.BytesIO(stack_rows.parquet_bytes(table, size))
        assert pyarrow.parquet.ParquetFile(written).num_row_groups == groups


def test_stack_v2_rows_name_real_bytes_and_have_nulls() -> None:
    blobs = sample_blobs(25)
    rows = stack_rows.stack_v2(blobs).to_pylist()
    assert [row["blob_id"] for row in rows] == [blob.blob_id for blob in blobs]
    assert {row["github_id"] is None for row in rows} == {True, False}
    assert {row["gha_created_at"] is None for row in rows} == {True, False}


def test_measures_are_those_of_the_published_row() -> None:
    row = stack_rows.train_ids([Blob(b"# aaaaaaaa\n000000\n")]).to_pylist()[0]["files"][0]
    assert row["alphanum_fraction"] == pytest.approx(14 / 18)
    assert row["alpha_fraction"] == pytest.approx(8 / 18)
    measured = (row["num_lines"], row["avg_line_length"], row["max_line_length"])
    assert measured == (2, 8.0, 10)


def test_stack_v3_text_differs_from_its_id_where_it_is_redacted() -> None:
    row = stack_rows.stack_v3([Blob(b"// ask ayse@example.org\n")]).to_pylist()[0]
    assert row["files"][0]["content"] == "// ask <EMAIL>\n"
    assert row["files"][0]["content_id"] == Blob(b"// ask ayse@example.org\n").blob_id
