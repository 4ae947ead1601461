"""What a source will bring, found without fetching it: from sizes of files, wheels and the Hub."""

import contextlib
import json
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet

from tohum.commands.inspect.sample import sample_file
from tohum.errors import UserError
from tohum.readers.compression import find_compression, read_chunks
from tohum.readers.detection import suffixes
from tohum.sources.config import MixSource, read_source
from tohum.sources.files import FilesSource, named_files
from tohum.sources.hub import HubSource
from tohum.sources.local import LocalSource, listed_sizes
from tohum.sources.offered_files import sample
from tohum.sources.packages import PackagesSource, package_files

BLOCK_BYTES = 768  # of a tar archive for each file: its header, and half a block of padding
ENTRY_BYTES = 300  # of a file in a manifest
LOOK_BYTES = 1 << 20  # of a compressed file that are unpacked to see how much text it holds
ROWS = 1000  # of a dataset, to see how long its contents are
BLOB_BYTES = 6_000  # of a source file, where a dataset says nothing of its size
PACKED = 3.5  # times that gzip makes source files smaller
PARQUET_PACKED = 2.7  # ... and parquet with snappy or zstd


@dataclass(frozen=True)
class Material:
    """What a source brings. `raw_bytes` will lie in data/raw; `text_bytes` is what they unpack to,
    in `documents`. `network_bytes` and `requests` are what fetching takes, and `basis` says what
    all this is known from.
    """

    raw_bytes: int
    text_bytes: int
    documents: int
    basis: str
    network_bytes: int = 0
    requests: int = 0

    def __add__(self, other: "Material") -> "Material":
        return Material(
            self.raw_bytes + other.raw_bytes,
            self.text_bytes + other.text_bytes,
            self.documents + other.documents,
            f"{self.basis}; {other.basis}",
            self.network_bytes + other.network_bytes,
            self.requests + other.requests,
        )


def find_material(section: dict[str, Any]) -> Material:
    """Returns what the section `source` will bring.

    Raises:
        UserError: files or packages are missing, or the Hub does not say.
    """
    source = read_source(section)
    if isinstance(source, MixSource):
        parts = [_material(each) for each in source.sources.values()]
        return sum(parts[1:], parts[0])
    return _material(source)


def scaled(material: Material, text_bytes: int) -> Material:
    """Returns a material of the same kind with so much text."""
    factor = text_bytes / max(1, material.text_bytes)
    return replace(
        material,
        raw_bytes=round(material.raw_bytes * factor),
        text_bytes=text_bytes,
        documents=max(1, round(material.documents * factor)),
        network_bytes=round(material.network_bytes * factor),
        requests=round(material.requests * factor),
    )


def _material(source: Any) -> Material:
    if isinstance(source, PackagesSource):
        offered = sample(package_files(source, Counter()), source.max_bytes, Counter())
        return _archived([file.size for file in offered], "the packages' lists of files")
    if isinstance(source, LocalSource):
        sizes = listed_sizes(source)
        if sum(sizes) > source.max_bytes:  # a sample is taken, of files of any size
            sizes = sizes[: len(sizes) * source.max_bytes // sum(sizes)]
        return _archived(sizes, "the sizes of the files")
    if isinstance(source, FilesSource):
        return _of_files([path for _, path in named_files(source, {})])
    return _of_hub(cast(HubSource, source))


def _archived(sizes: list[int], basis: str) -> Material:
    raw = sum(sizes) + len(sizes) * (BLOCK_BYTES + ENTRY_BYTES)
    return Material(raw, sum(sizes), len(sizes), basis)


def _of_files(paths: list[Path]) -> Material:
    total = sum(path.stat().st_size for path in paths)
    text = sum(path.stat().st_size * unpacked_share(path) for path in paths)
    largest = max(paths, key=lambda path: path.stat().st_size)
    rows = sample_file(largest, ROWS).rows
    mean = statistics.mean(len(json.dumps(row.values, default=str)) for row in rows) if rows else 1
    basis = "the sizes of the files, and a look at their first rows"
    return Material(total, round(text), max(1, round(text / mean)), basis)


def unpacked_share(path: Path) -> float:
    """Returns how many bytes of text a byte of a data file becomes, by a look at its start."""
    if path.suffix == ".parquet":
        footer = pyarrow.parquet.read_metadata(path)
        groups = (footer.row_group(number) for number in range(footer.num_row_groups))
        return float(sum(group.total_byte_size for group in groups) / path.stat().st_size)
    compression = find_compression(path)
    if compression is None:
        return 1.0
    with path.open("rb") as file:
        start = file.read(LOOK_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder, path.name)
        cut.write_bytes(start)
        unpacked = 0
        with contextlib.suppress(UserError):  # it ends in the middle
            for chunk in read_chunks(cut, compression):
                unpacked += len(chunk)
    return unpacked / len(start)


def _of_hub(source: HubSource) -> Material:
    """Asks the Hub for the sizes of a dataset's files, and looks into the first of them."""
    from huggingface_hub import HfApi

    from tohum.sources.first_rows import count_rows
    from tohum.sources.hub_api import matching, resolve
    from tohum.sources.hub_files import each_once
    from tohum.sources.hub_token import load_token

    load_token(Path(".env"))
    api = HfApi()
    commit = resolve(api, source.repo_id, source.revision)
    groups = each_once([matching(api, source.repo_id, commit, path) for path in source.paths])
    files = [file for group in groups for file in group]
    size = sum(file.remote.size for file in files)
    first = files[0].remote
    basis = f"the Hub's list of {len(files)} files"
    if not files[0].path.endswith(".parquet"):
        text = round(size * (PACKED if suffixes(files[0].path)[1] else 1))
        return Material(size, text, max(1, text // BLOB_BYTES), basis, size, len(files))
    row_bytes = first.size / max(1, count_rows(first))
    rows = min(round(size / row_bytes), source.max_rows or sys.maxsize)
    table = round(rows * row_bytes)
    if source.content in ("rows", "inline"):
        text = round(table * PARQUET_PACKED)
        return Material(table, text, rows, basis, table, len(files) + rows // ROWS)
    text = rows * BLOB_BYTES
    raw = table + text + rows * (BLOCK_BYTES + ENTRY_BYTES)
    network = table + round(text / PACKED)
    basis += f", and {BLOB_BYTES:,} bytes for each file that a row names"
    return Material(raw, text, rows, basis, network, rows)
