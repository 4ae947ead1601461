from pathlib import Path

import numpy
import pytest

from tohum.errors import UserError
from tohum.files import write_json
from tohum.formats.tokens import TokenWriter, read_meta, read_split, token_dtype

DOCUMENTS = [[0, 5, 6], [0], [0, 7, 8, 9]]


def written(folder: Path, vocab_size: int) -> TokenWriter:
    writer = TokenWriter(folder, "val", token_dtype(vocab_size))
    for ids in DOCUMENTS:
        writer.write(ids, 10)
    writer.close()
    write_json(folder / "meta.json", {"dtype": writer.dtype.str, "val": {"bytes": writer.bytes}})
    return writer


@pytest.mark.parametrize("vocab_size", [300, 65_536, 65_537])
def test_documents_are_read_as_they_were_written(tmp_path: Path, vocab_size: int) -> None:
    written(tmp_path, vocab_size)
    split = read_split(tmp_path, "val")
    assert [split.document(number).tolist() for number in range(3)] == DOCUMENTS
    assert split.offsets.tolist() == [0, 3, 4, 8]
    assert split.bytes == 30


def test_a_writer_counts_documents_tokens_and_bytes(tmp_path: Path) -> None:
    writer = written(tmp_path, 300)
    assert (writer.documents, writer.tokens, writer.bytes) == (3, 8, 30)


def test_files_are_little_endian(tmp_path: Path) -> None:
    written(tmp_path, 300)
    assert (tmp_path / "val.bin").read_bytes()[:6] == b"\0\0\5\0\6\0"
    assert (tmp_path / "val.offsets.bin").read_bytes()[8:16] == b"\3" + b"\0" * 7


@pytest.mark.parametrize(("vocab_size", "size"), [(265, 2), (65_536, 2), (65_537, 4), (2**20, 4)])
def test_the_largest_id_fits(vocab_size: int, size: int) -> None:
    dtype = token_dtype(vocab_size)
    assert dtype.itemsize == size
    assert numpy.array([vocab_size - 1], dtype)[0] == vocab_size - 1


def test_an_id_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    writer = TokenWriter(tmp_path, "val", token_dtype(65_536))
    with pytest.raises(OverflowError):
        writer.write([65_536], 1)
    writer.close()


def test_missing_files_name_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"meta\.json is missing\. Run `dvc repro encode`"):
        read_meta(tmp_path)
