"""Arrow files and streams, as `datasets` saves them, are read."""

from pathlib import Path

import pyarrow
import pytest

from tests.tohum.readers.reading import blocks_of, values_of, write
from tohum.errors import UserError
from tohum.readers import BLOCK_BYTES

ROWS: list[dict[str, object]] = [{"soru": f"{n} ışık?", "ek": [{"n": n}]} for n in range(100)]


def written(path: Path, rows: list[dict[str, object]], stream: bool, batch: int) -> Path:
    table = pyarrow.Table.from_pylist(rows)
    create = pyarrow.ipc.new_stream if stream else pyarrow.ipc.new_file
    with create(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)
    return path


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("batch", [7, 1000])
def test_files_and_streams_give_the_same_rows(tmp_path: Path, stream: bool, batch: int) -> None:
    assert values_of(written(tmp_path / "data.arrow", ROWS, stream, batch)) == ROWS


def test_a_large_batch_is_passed_on_in_blocks(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": "x" * (1 << 20)} for _ in range(20)]
    blocks = blocks_of(written(tmp_path / "data.arrow", rows, True, 1000))

    assert len(blocks) == 20 * (1 << 20) // BLOCK_BYTES + 1
    assert [row.number for block in blocks for row in block.rows()] == list(range(1, 21))


@pytest.mark.parametrize("stream", [True, False])
def test_an_arrow_file_that_is_cut_off_is_told(tmp_path: Path, stream: bool) -> None:
    content = written(tmp_path / "data.arrow", ROWS, stream, 7).read_bytes()

    for size in (len(content) // 2, 30, 8):
        with pytest.raises(UserError, match=r"cut\.arrow is not an Arrow file, or not a complete"):
            values_of(write(tmp_path / "cut.arrow", content[:size]))
