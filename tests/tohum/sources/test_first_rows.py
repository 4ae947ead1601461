import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.fakes import stack_rows
from tests.fakes.blobs import sample_blobs
from tests.fakes.hub import COMMIT, FakeHub
from tests.fakes.stack_rows import parquet_bytes
from tohum.errors import UserError
from tohum.sources import remote_file, remote_parquet
from tohum.sources.first_rows import write_first_rows
from tohum.sources.object_ids import SHA256, ObjectId
from tohum.sources.remote_file import RemoteFile

PATH = "data/a.parquet"
BLOCK = 1 << 16
COLUMNS = ["blob_id", "path"]
ROWS = 60_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_file, "BLOCK", BLOCK)
    monkeypatch.setattr(remote_parquet, "BLOCK", BLOCK)


@pytest.fixture(scope="module")
def table() -> pyarrow.Table:
    """Random ids, which don't compress, in the two columns that are wanted and in two others."""
    generator = random.Random(0)
    names = ("blob_id", "directory_id", "path", "revision_id")
    return pyarrow.table(
        {name: [generator.randbytes(20).hex() for _ in range(ROWS)] for name in names}
    )


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({}) as hub:
        yield hub


def take(hub: FakeHub, content: bytes, path: Path, columns: list[str], rows: int) -> int:
    """Serves a file, takes its first rows, and returns how many these were."""
    hub.revisions[COMMIT].files[PATH] = content
    url = f"{hub.endpoint}/datasets/{hub.repo_id}/resolve/{COMMIT}/{PATH}"
    listed = ObjectId(SHA256, hashlib.sha256(content).hexdigest())
    file = RemoteFile(url, {}, len(content), listed)
    return write_first_rows(file, path, columns, rows)[0]


def bytes_served(hub: FakeHub) -> int:
    spans = [r.headers["range"].removeprefix("bytes=") for r in hub.requests if r.server == "cdn"]
    return sum(int(last) - int(first) + 1 for first, last in (span.split("-") for span in spans))


# A column's dictionary has up to a megabyte, whatever the number of rows that are wanted.
@pytest.mark.parametrize(("group", "most"), [(1000, 0.2), (None, 0.45)])
@pytest.mark.parametrize("rows", [1, 1500])
def test_only_the_needed_ranges_are_fetched(
    hub: FakeHub, table: pyarrow.Table, tmp_path: Path, group: int | None, most: float, rows: int
) -> None:
    content = parquet_bytes(table, group)
    assert len(content) > 8_000_000
    assert take(hub, content, tmp_path / "a.parquet", COLUMNS, rows) == rows
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert found.equals(table.select(COLUMNS).slice(0, rows))
    assert bytes_served(hub) < most * len(content)


@pytest.mark.parametrize("rows", [1, 99, 100, 1000])
@pytest.mark.parametrize("group", [7, None])
def test_the_first_rows_are_those_of_the_file(
    hub: FakeHub, tmp_path: Path, rows: int, group: int | None
) -> None:
    table = stack_rows.stack_v2(sample_blobs(100))
    content = parquet_bytes(table, group)
    assert take(hub, content, tmp_path / "a.parquet", COLUMNS, rows) == min(rows, 100)
    found = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert found.equals(table.select(COLUMNS).slice(0, rows))
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_of_a_nested_name_the_whole_list_is_taken(hub: FakeHub, tmp_path: Path) -> None:
    table = stack_rows.train_ids(sample_blobs(60))
    columns = ["files.blob_id", "files.path", "repo_name"]
    assert take(hub, parquet_bytes(table), tmp_path / "a", columns, 3) == 3
    found = pyarrow.parquet.read_table(tmp_path / "a")
    assert found.equals(table.select(["files", "repo_name"]).slice(0, 3))


def test_large_strings_keep_their_type(hub: FakeHub, tmp_path: Path) -> None:
    table = stack_rows.stack_edu(sample_blobs(60))
    take(hub, parquet_bytes(table), tmp_path / "a", ["blob_id", "detected_licenses"], 30)
    found = pyarrow.parquet.read_table(tmp_path / "a")
    assert found.equals(table.select(["blob_id", "detected_licenses"]).slice(0, 30))


def test_equal_rows_are_equal_bytes(hub: FakeHub, tmp_path: Path) -> None:
    table = stack_rows.stack_v2(sample_blobs(100))
    for name, group in (("a", 7), ("b", None)):
        take(hub, parquet_bytes(table, group), tmp_path / name, COLUMNS, 100)
        take(hub, parquet_bytes(table, group), tmp_path / f"{name} again", COLUMNS, 100)
        assert (tmp_path / name).read_bytes() == (tmp_path / f"{name} again").read_bytes()


def test_a_missing_column_names_those_that_are_there(hub: FakeHub, tmp_path: Path) -> None:
    content = parquet_bytes(stack_rows.python_edu(sample_blobs(9)))
    with pytest.raises(UserError, match="no column src_encoding; it has blob_id, repo_name, path"):
        take(hub, content, tmp_path / "a.parquet", ["blob_id", "src_encoding"], 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"a,b\n1,2\n" * 100, b"PAR1", b"PAR1" + bytes(99) + b"PAR1"])
def test_what_is_not_parquet_is_named(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"a\.parquet is not a parquet file"):
        take(hub, content, tmp_path / "a.parquet", COLUMNS, 5)
