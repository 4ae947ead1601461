"""How large the data of a source is, and a sample of it that the stages can read.

Sizes are facts: of files on this machine, of the installed packages' RECORD, of the Hub's list. The
sample is spread over all of the data, because neighbouring documents repeat each other's words.
"""

import bz2
import gzip
import lzma
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zstandard

from tohum.commands.estimate.source_facts import BY_LINES, SourceSample, SourceSize
from tohum.readers.compression import compression_of, read_chunks
from tohum.sources.config import MixSource, Source
from tohum.sources.files import FilesSource, named_files
from tohum.sources.hub import HubSource
from tohum.sources.local import LocalSource, unignored_files
from tohum.sources.offered_files import sample as files_below
from tohum.sources.packages import PackagesSource, package_files
from tohum.sources.user_paths import user_path

PIECES = 64  # of a file, evenly spaced, that a sample of its lines is made of
MAGIC_BYTES = 6
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def size_of_source(source: Source | MixSource) -> SourceSize:
    """Returns how large a source is; asks the Hub where it is there.

    Raises:
        UserError: it is not there, or can't be read.
    """
    match source:
        case MixSource():
            sizes = [size_of_source(one) for one in source.sources.values()]
            rows = [size.rows for size in sizes if size.rows is not None]
            return SourceSize(
                sum(size.bytes for size in sizes),
                sum(size.files for size in sizes),
                sum(size.requests for size in sizes),
                sum(rows) if rows else None,
                contents=sum(size.contents for size in sizes),
            )
        case PackagesSource():
            chosen = files_below(package_files(source, Counter()), source.max_bytes, Counter())
            return SourceSize(sum(file.size for file in chosen), len(chosen))
        case LocalSource():
            sizes_of = [size for _, size in _local(source)]
            return SourceSize(min(sum(sizes_of), source.max_bytes), len(sizes_of))
        case FilesSource():
            found = [path.stat().st_size for _, path in named_files(source, {})]
            return SourceSize(sum(found), len(found))
        case HubSource():
            from tohum.commands.estimate.hub_sizes import size_of_dataset

            return size_of_dataset(source)
    raise TypeError(f"no size of the source {source!r}")


def sample_of(source: Source | MixSource, wanted: int, folder: Path) -> SourceSample:
    """Returns values that read about `wanted` bytes of a source, written to `folder` if need be."""
    if isinstance(source, MixSource):
        return _sample_of_mix(source, wanted, folder)
    if isinstance(source, HubSource):
        from tohum.commands.estimate.hub_sizes import sample_of_dataset

        return sample_of_dataset(source, wanted, folder)
    size, values = size_of_source(source), _absolute(source)
    if size.bytes <= wanted:
        return SourceSample(values, 1.0, size)
    if isinstance(source, PackagesSource):
        return SourceSample({**values, "max_bytes": wanted}, wanted / size.bytes, size)
    if isinstance(source, LocalSource):
        taken = _sample_folder(source, wanted, folder)
        return SourceSample({**values, "path": str(folder.resolve())}, taken / size.bytes, size)
    assert isinstance(source, FilesSource)
    taken = _sample_files(source, wanted / size.bytes, folder)
    return SourceSample({**values, "paths": [str(folder.resolve())]}, taken / size.bytes, size)


def _absolute(source: Source) -> dict[str, Any]:
    """Returns the values of a source; its paths are read in a project of the sample's own."""
    values: dict[str, Any] = asdict(source)  # type: ignore[call-overload]
    if isinstance(source, LocalSource):
        values["path"] = str(user_path("source.path", source.path))
    if isinstance(source, FilesSource):
        values["paths"] = [str(user_path("source.paths", path)) for path in source.paths]
    return values


def _sample_of_mix(mix: MixSource, wanted: int, folder: Path) -> SourceSample:
    """Samples each source of a mix in proportion to its bytes."""
    total = size_of_source(mix)
    samples = {}
    for name, source in mix.sources.items():
        own = size_of_source(source)
        part = max(1 << 16, wanted * own.bytes // max(1, total.bytes))
        samples[name] = sample_of(source, part, folder / name)
    values = {"kind": "mix", "sources": {name: one.values for name, one in samples.items()}}
    taken = sum(one.share * one.size.bytes for one in samples.values())
    return SourceSample(values, taken / max(1, total.bytes), total)


def _local(source: LocalSource) -> list[tuple[Path, int]]:
    """Returns the files of a folder that may be taken, by their names and sizes alone: that some
    are binary is seen only when they are read.
    """
    root = user_path("source.path", source.path).resolve()
    found = []
    for path in unignored_files(root, source.exclude, Counter()):
        place = root / path
        if source.suffixes and place.suffix.lower() not in source.suffixes:
            continue
        try:
            size = place.stat().st_size
        except OSError:
            continue
        if size <= source.max_file_bytes:
            found.append((place, size))
    return found


def _sample_folder(source: LocalSource, wanted: int, folder: Path) -> int:
    """Copies evenly spaced files to `folder` and returns their bytes."""
    root = user_path("source.path", source.path).resolve()
    files = sorted(_local(source))
    step = max(1.0, sum(size for _, size in files) / wanted)
    taken = 0
    for number in range(math.ceil(len(files) / step)):
        path, size = files[int(number * step)]
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        taken += size
    return taken


def _sample_files(source: FilesSource, share: float, folder: Path) -> int:
    """Writes a sample of each data file to `folder`; returns the bytes of all."""
    taken = 0
    for name, path in named_files(source, {}):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_sample(path, target, share)
        taken += target.stat().st_size
    return taken


def write_sample(path: Path, target: Path, share: float) -> None:
    """Writes about a share of a data file: lines, rows, or the beginning of what is compressed. A
    format that can't be cut is taken whole.
    """
    with path.open("rb") as file:
        compression = compression_of(file.read(MAGIC_BYTES))
    suffixes = [suffix.lower() for suffix in path.suffixes]
    by_lines = any(suffix in BY_LINES for suffix in suffixes)
    if path.suffix.lower() == ".parquet":
        _write_rows(path, target, share)
    elif compression in PACKED and by_lines:
        _write_packed(path, target, share, compression)
    elif compression is None and by_lines:
        _write_lines(path, target, share)
    else:
        shutil.copyfile(path, target)


def _write_lines(path: Path, target: Path, share: float) -> None:
    """Writes whole lines from evenly spaced places; the first, perhaps a header, is among them."""
    size = path.stat().st_size
    wanted = max(1, int(size * share / PIECES))
    with path.open("rb") as file, target.open("wb") as out:
        end = 0
        for number in range(PIECES):
            start = size * number // PIECES
            start = max(start, end)
            file.seek(start)
            if start and start != end:
                file.readline()
            written = 0
            while written < wanted and (line := file.readline()):
                out.write(line)
                written += len(line)
            end = file.tell()


def _write_packed(path: Path, target: Path, share: float, compression: str) -> None:
    """Writes the first lines of a compressed file, compressed as before."""
    wanted = max(1, int(path.stat().st_size * share))
    pieces: list[bytes] = []
    packed = 0
    for chunk in read_chunks(path, compression):
        pieces.append(chunk)
        packed += len(PACKED[compression](chunk))
        if packed >= wanted:
            break
    text = b"".join(pieces)
    target.write_bytes(PACKED[compression](text[: text.rfind(b"\n") + 1] or text))


def _write_rows(path: Path, target: Path, share: float) -> None:
    """Writes evenly spaced row groups of a parquet file, of a single one its first rows."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        groups = file.num_row_groups
        wanted = max(1, int(file.metadata.num_rows * share))
        codec = file.metadata.row_group(0).column(0).compression.lower() if groups else "none"
        options = {"compression": "none" if codec == "uncompressed" else codec}
        with pyarrow.parquet.ParquetWriter(target, file.schema_arrow, **options) as out:
            left = wanted
            for batch in file.iter_batches(batch_size=min(wanted, 1024)):
                out.write_batch(batch.slice(0, left))
                left -= min(left, len(batch))
                if not left:
                    break
