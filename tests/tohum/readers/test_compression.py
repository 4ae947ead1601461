"""What is wrong with a compressed file has its own words."""

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.tohum.readers.reading import rows_of, values_of, write
from tohum.errors import UserError
from tohum.readers import EmptyFileError, ReadLimits, detect

CONTENT = b'{"a": 1}\n' * 500
ROWS = [{"a": 1}] * 500
COMPRESSORS: dict[str, Any] = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def streamed(content: bytes, window_log: int, **named: Any) -> bytes:
    """A frame that does not tell its size, and so has a window as large as asked for."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=window_log, write_content_size=False, **named
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize("garbage", [b"<html>", b"\x00\x01" * 40, b"x", CONTENT])
@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_what_follows_the_end_is_told_with_its_place(
    tmp_path: Path, suffix: str, garbage: bytes
) -> None:
    packed = COMPRESSORS[suffix](CONTENT)
    path = write(tmp_path / f"a.jsonl.{suffix}", packed + garbage)

    padding = 1 if garbage.startswith(b"\0") and suffix != "zst" else 0  # skipped zeros
    with pytest.raises(UserError) as raised:
        rows_of(path)
    message = str(raised.value)
    assert f"has {len(garbage) - padding:,} bytes after the end of its" in message
    assert f"`head -c {len(packed) + padding} a.jsonl.{suffix} > whole`" in message


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_zeros_after_the_end_are_padding(tmp_path: Path, suffix: str) -> None:
    padded = COMPRESSORS[suffix](CONTENT) + bytes(100_000)
    path = write(tmp_path / f"a.jsonl.{suffix}", padded + COMPRESSORS[suffix](CONTENT))

    assert values_of(path) == ROWS * 2


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_file_cut_anywhere_ends_before_its_data_does(tmp_path: Path, suffix: str) -> None:
    packed = COMPRESSORS[suffix](CONTENT)
    second = COMPRESSORS[suffix](b'{"a": 2}')
    for size in range(6, len(packed)):
        for content in (packed[:size], packed + second[: min(size, len(second) - 1)]):
            with pytest.raises(UserError, match=r"ends before its .* data does|is damaged"):
                rows_of(write(tmp_path / f"a.jsonl.{suffix}", content))
    path = write(tmp_path / f"a.jsonl.{suffix}", packed[:-1])
    with pytest.raises(UserError, match=r"ends before its .* data does"):
        rows_of(path)


def test_the_window_of_long_zstd_is_read_within_the_memory_that_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.zst", streamed(CONTENT, 31))

    assert values_of(path) == ROWS
    with pytest.raises(UserError) as raised:
        rows_of(path, limits=ReadLimits(decoder=1 << 27))
    assert "a window of 2,147,483,648 bytes" in str(raised.value)
    assert "Raise decoder_bytes to 2,147,483,648" in str(raised.value)


def test_a_window_that_zstd_cannot_decode_is_told(tmp_path: Path) -> None:
    header = b"\x28\xb5\x2f\xfd\x00" + bytes([(40 - 10) << 3])  # RFC 8878, 3.1.1.1.2
    path = write(tmp_path / "a.jsonl.zst", header + b"\x01\x00\x00")

    with pytest.raises(UserError, match=r"window of 1,099,511,627,776 bytes.*without --long"):
        rows_of(path)


def test_the_dictionary_of_xz_counts_as_memory(tmp_path: Path) -> None:
    filters: list[dict[str, Any]] = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 256 << 20}]
    path = write(tmp_path / "a.jsonl.xz", lzma.compress(CONTENT, filters=filters))

    assert values_of(path) == ROWS
    with pytest.raises(UserError, match=r"needs more memory .* Raise decoder_bytes"):
        rows_of(path, limits=ReadLimits(decoder=1 << 27))


def test_a_dictionary_that_is_missing_is_told(tmp_path: Path) -> None:
    samples: list[Any] = [f'{{"question": {n}, "answer": {n * 7}}}'.encode() for n in range(2000)]
    dictionary = zstandard.train_dictionary(2000, samples)
    packed = zstandard.ZstdCompressor(dict_data=dictionary).compress(CONTENT)

    with pytest.raises(
        UserError, match=rf"dictionary \(number {dictionary.dict_id()}\).*zstd -d -D"
    ):
        rows_of(write(tmp_path / "a.jsonl.zst", packed))


def test_frames_to_skip_are_skipped(tmp_path: Path) -> None:
    packed = COMPRESSORS["zst"](CONTENT)
    path = write(tmp_path / "a.jsonl", SKIPPABLE + packed + SKIPPABLE + packed + SKIPPABLE)

    assert values_of(path) == ROWS * 2


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_data_of_another_kind_under_the_suffix_is_told(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.jsonl.{suffix}", b"\x01\x02\x03\x04" * 99)

    with pytest.raises(UserError, match=r"is not (gzip|zstd|xz|bzip2), as its name says"):
        detect(path)


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_text_under_the_suffix_of_compression_is_read(tmp_path: Path, suffix: str) -> None:
    assert values_of(write(tmp_path / f"a.jsonl.{suffix}", CONTENT)) == ROWS


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_compressed_nothing_is_an_empty_file(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(EmptyFileError, match="is empty"):
        detect(write(tmp_path / f"a.jsonl.{suffix}", COMPRESSORS[suffix](b"")))


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"\x04\x22\x4d\x18\x64\x40", "lz4 -d"),
        (b"\x1f\x9d\x90", "gzip -d"),
        (b"]\x00\x00\x80\x00", "xz -d"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"Rar!\x1a\x07", "RAR archive"),
        (b"SQLite format 3\x00", "SQLite"),
        (b"Obj\x01\x04", "Avro"),
        (b"ORC\x0a\x0b\x0a\x03\x00", "ORC"),
        (b"LZIP\x01\x0c", "lzip -d"),
        (b"a.csv" + bytes(252) + b"ustar", "tar archive"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv.gz", "a.parquet", "rows"])
def test_other_formats_are_named(tmp_path: Path, name: str, start: bytes, word: str) -> None:
    with pytest.raises(UserError, match=word):
        detect(write(tmp_path / name, start + bytes(20)))


@pytest.mark.parametrize("header", ["ORCID,title", "LZIP,size", "Rar,b"])
def test_a_column_may_be_named_as_another_format_begins(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}\n0000-0002-1825-0097,Işık\n".encode())
    assert values_of(path) == [
        dict(zip(header.split(","), ("0000-0002-1825-0097", "Işık"), strict=True))
    ]
