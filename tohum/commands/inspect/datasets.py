"""Inspects a Hub dataset: its files by folder, and the first rows of one, read by Range.

For parquet, the footer and the first rows are fetched; for anything else, the first PREFIX_BYTES,
which are kept in a temporary folder meanwhile.
"""

import re
import tempfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, RepoFile

from tohum.commands.inspect.data_files import describe_sample, slug
from tohum.commands.inspect.proposals import Origin
from tohum.commands.inspect.sample import Sample, schema_types, take_rows
from tohum.commands.printing import aligned, counted, size_of, titled
from tohum.errors import UserError
from tohum.readers import FileFormat, detect, is_data_file, read_blocks
from tohum.readers.compression import compression_of, read_chunks
from tohum.readers.detection import suffixes
from tohum.readers.layout import layout_of
from tohum.readers.parquet import read_batch
from tohum.readers.workbooks import SUFFIXES as WORKBOOKS
from tohum.sources.hub_address import is_address, read_address
from tohum.sources.hub_api import list_tree, remote_file, resolve
from tohum.sources.hub_token import load_token
from tohum.sources.remote_file import RemoteFile
from tohum.sources.remote_parquet import RemoteParquet, read_twice
from tohum.translation import translated
from tohum.workdir import project_root

NAME = re.compile(r"[\w.-]+/[\w.-]+(/[^@]*)?(@[\w./-]+)?")  # else it may be a path
PREFIX_BYTES = 4 << 20
MOST_UNPACKED = 64 << 20  # bytes that a compressed beginning may become
BATCH_ROWS = 64
MOST_FOLDERS = 25


def is_dataset(source: str) -> bool:
    """Returns whether this can name a dataset: owner/name, also with /folder and @revision, or an
    address of it.
    """
    named = NAME.fullmatch(source) is not None and not is_data_file(source)
    return named or is_address(source)


def inspect_dataset(name: str, rows: int, width: int) -> list[str]:
    """Returns what is in a dataset, or below one of its folders.

    Raises:
        UserError: there is no such dataset or no access to it, or no data file in it.
    """
    address = read_address(name, "the source")
    load_token(project_root() / ".env")
    repo_id, api = address.repo_id, HfApi()
    commit = resolve(api, repo_id, address.revision or "main")
    files = _files(api, repo_id, commit, address.path.strip("/"))
    chosen = files[0]
    origin = _origin(repo_id, commit, chosen, files)
    sample = _sample(repo_id, commit, chosen, rows)
    size = sum(file.size for file in files)
    return [
        translated(f"{repo_id} at {commit}: {counted(len(files), 'data file')}, {size_of(size)}"),
        *titled("files by folder", _folders(files, width)),
        *describe_sample([sample], origin, width),
    ]


def _files(api: HfApi, repo_id: str, commit: str, path: str) -> list[RepoFile]:
    """Returns the data files in a folder by path, or the file that the path names; parquet before
    the others, which are often its source.
    """
    named = is_data_file(path)
    folder = path.rpartition("/")[0] if named else path
    tree = list_tree(api, repo_id, commit, folder, recursive=True)
    if named:
        tree = [entry for entry in tree if f"{entry.path}/".startswith(f"{path}/")]
    every = [entry for entry in tree if isinstance(entry, RepoFile)]
    files = [entry for entry in every if is_data_file(entry.path)]
    if not files:
        there = ", ".join(entry.path for entry in every[:20])
        raise UserError(f"{repo_id} has no data files; it has {there or 'no files at all'}.")
    return sorted(files, key=lambda file: (suffixes(file.path)[0] != ".parquet", file.path))


def _folders(files: list[RepoFile], width: int) -> list[str]:
    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for file in files:
        path = PurePosixPath(file.path)
        group = (str(path.parent), "".join(suffixes(path.name)))
        counts[group] += 1
        sizes[group] += file.size
    rows = [
        (f"{folder}/*{suffix}", translated(f"{counts[folder, suffix]:,} files"), size_of(size))
        for (folder, suffix), size in sizes.most_common(MOST_FOLDERS)
    ]
    more = len(counts) - len(rows)
    return aligned(rows, width, numbers=(1, 2)) + (
        [translated(f"  and {more} more folders")] if more else []
    )


def _sample(repo_id: str, commit: str, file: RepoFile, rows: int) -> Sample:
    remote = remote_file(repo_id, commit, file)
    if suffixes(file.path)[0] == ".parquet":
        return _parquet(remote, file.path, rows)
    return _prefix(remote, file.path, rows)


def _parquet(remote: RemoteFile, name: str, rows: int) -> Sample:
    return read_twice(remote, lambda: _first_rows(remote, name, rows))


def _first_rows(remote: RemoteFile, name: str, rows: int) -> Sample:
    file = RemoteParquet(remote).file
    notes = ["format parquet: by its name; its footer and first rows were fetched"]
    sample = Sample(name, remote.size, FileFormat("parquet", None, "utf-8", None, notes))
    for batch in file.iter_batches(min(BATCH_ROWS, rows)):
        for row in read_batch(batch.slice(0, rows - sample.seen), sample.seen + 1):
            sample.add(row)
        if sample.seen >= rows:
            break
    sample.total = f"{file.metadata.num_rows:,} rows in this file (exact)"
    sample.types = schema_types(file.schema_arrow)
    return sample


def _prefix(remote: RemoteFile, name: str, rows: int) -> Sample:
    """Samples the beginning of a file as if it were the whole, cut at the end of a line."""
    whole = remote.size <= PREFIX_BYTES
    content = remote.read(0, min(remote.size, PREFIX_BYTES))
    with tempfile.TemporaryDirectory(prefix="inspect-") as folder:
        path = Path(folder) / PurePosixPath(name).name
        path.write_bytes(content)
        if not whole:
            path.write_bytes(_whole_lines(path, content))
        format = detect(path)
        sample = Sample(name, remote.size, format)
        take_rows(sample, read_blocks(path, format), rows)
        count = sum(1 for block in read_blocks(path, format) for _ in block.rows())
    if whole:
        sample.total = f"{count:,} rows in this file (exact)"
    elif format.compression is None and not compression_of(content):
        estimate = count * remote.size / PREFIX_BYTES
        sample.total = f"about {estimate:,.0f} rows in this file (an estimate by its beginning)"
    else:
        sample.total = "rows not counted (compressed, and large)"
    return sample


def _whole_lines(path: Path, content: bytes) -> bytes:
    """Returns the complete lines, decompressed.

    Raises:
        UserError: it is a workbook, Arrow, or JSON in one piece, which can't be read in part.
    """
    suffix = suffixes(path.name)[0]
    if suffix in (*WORKBOOKS, ".arrow"):
        raise UserError(
            f"{path.name} is a {suffix} file of more than {PREFIX_BYTES >> 20} MiB: download it, "
            "and inspect it then."
        )
    pieces: list[bytes] = []
    try:
        for chunk in read_chunks(path, compression_of(content)):
            pieces.append(chunk)
            if sum(map(len, pieces)) > MOST_UNPACKED:
                break
    except UserError:
        if not pieces:
            raise
    text = b"".join(pieces)
    if suffix == ".json" and layout_of(text[:PREFIX_BYTES], "utf-8", "json")[0] == "json":
        raise UserError(
            f"{path.name} is JSON in one piece and larger than {PREFIX_BYTES >> 20} MiB: download "
            "it, and inspect it then."
        )
    return text[: text.rfind(b"\n") + 1] or text


def _origin(repo_id: str, commit: str, chosen: RepoFile, files: list[RepoFile]) -> Origin:
    """Returns the configuration of the files next to the chosen one."""
    path = PurePosixPath(chosen.path)
    pattern = str(path.parent / f"*{''.join(suffixes(path.name))}")
    size = sum(file.size for file in files if PurePosixPath(file.path).match(pattern))
    preset: dict[str, Any] = {
        "defaults": ["hub", "_self_"],
        "kind": "hub",
        "repo_id": repo_id,
        "revision": commit,
        "paths": [pattern],
        "max_rows": None,
        "max_bytes": max(1, size),
        "content": "rows",
    }
    overrides = [
        "source=hub",
        f"source.repo_id={repo_id}",
        f"source.revision={commit}",
        f"'source.paths=[\"{pattern}\"]'",
        "source.content=rows",
    ]
    return Origin(slug(repo_id.partition("/")[2]), preset, overrides)
