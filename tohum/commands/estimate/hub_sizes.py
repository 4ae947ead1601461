"""How large a dataset of the Hub is, by its list of files and the footer of one of them, and a
sample of it: the first rows of parquet, or the first lines of other files.
"""

import glob
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from tohum.commands.estimate.source_facts import BY_LINES, SourceSample, SourceSize
from tohum.sources.first_rows import count_rows
from tohum.sources.hub import HubSource
from tohum.sources.hub_api import HubFile, matching, resolve
from tohum.sources.hub_files import HubFiles, each_once
from tohum.sources.hub_token import load_token
from tohum.sources.object_ids import SHA256
from tohum.sources.remote_file import BLOCK
from tohum.workdir import project_root

HUB_QUESTIONS = 2  # the revision's commit, and whether its files may be read
REDIRECTED = 2  # requests for a large file: the Hub says where its bytes are
PROBE_ROWS = 600  # that name a file each; files differ so much in size that fewer say little
PROBE_REPOSITORIES = 100  # rows that name some tens of files each
PROBE_BYTES = 40_000_000  # of the source, for which the probe takes so many rows
PACKED_TEXT = 4  # bytes of text in a byte of parquet
WHOLE_FILES = 4  # times what is wanted: smaller files are sampled as they are


def size_of_dataset(source: HubSource) -> SourceSize:
    """Returns how large what is taken of a dataset is; it fetches none of it.

    Raises:
        UserError: no access, no such dataset, revision or file, or more than source.max_bytes.
    """
    return _size_of(source, *_listed(source))


def _size_of(
    source: HubSource, files: list[HubFile], commit: str, groups: list[list[HubFile]]
) -> SourceSize:
    HubFiles(source, commit, []).check_size(groups)
    size = sum(file.remote.size for file in files)
    asked = HUB_QUESTIONS + len(source.paths)
    if not _is_parquet(files):
        asked += sum(REDIRECTED if _is_large(file) else 1 for file in files)
        return SourceSize(size, len(files), asked)  # the sample takes them as they are
    there = max(1, round(count_rows(files[0].remote) * size / max(1, files[0].remote.size)))
    rows = there if source.max_rows is None else min(there, source.max_rows)
    share = rows / there
    some = min(len(files), max(len(groups), math.ceil(share * len(files))))
    taken, reads = round(size * share), some
    if source.max_rows is not None and size > len(files) * BLOCK:  # a read for the footer as well
        reads += max(some, round(taken / BLOCK))
    contents = rows if source.content in ("software_heritage", "url") else 0
    return SourceSize(
        taken,
        some,
        asked + REDIRECTED * reads + contents,
        rows,
        kept=size if source.max_rows is None else 0,
        contents=contents,
    )


def sample_of_dataset(source: HubSource, wanted: int, folder: Path) -> SourceSample:
    """Returns values that read about `wanted` bytes of a dataset: its first rows, a few of its
    files, or the first lines of them all, written to `folder`.
    """
    files, commit, groups = _listed(source)
    size, values = _size_of(source, files, commit, groups), asdict(source)
    if size.rows is not None:
        rows = max(1, min(size.rows, _rows_of(source, size, wanted)))
        return SourceSample({**values, "max_rows": rows}, rows / size.rows, size)
    if size.bytes <= wanted:
        return SourceSample(values, 1.0, size)
    some = _smallest(files, wanted)
    taken = sum(file.remote.size for file in some)
    if taken <= WHOLE_FILES * wanted:
        paths = [glob.escape(file.path) for file in some]
        return SourceSample({**values, "paths": paths}, taken / size.bytes, size)
    taken = _write_heads(files, wanted / size.bytes, folder)
    heads: dict[str, Any] = {"kind": "files", "paths": [str(folder.resolve())], "license": None}
    return SourceSample(heads, taken / size.bytes, size)


def _listed(source: HubSource) -> tuple[list[HubFile], str, list[list[HubFile]]]:
    """Returns the wanted files, their commit, and the files by pattern."""
    load_token(project_root() / ".env")
    api = HfApi()
    commit = resolve(api, source.repo_id, source.revision)
    groups = each_once([matching(api, source.repo_id, commit, path) for path in source.paths])
    return [file for group in groups for file in group], commit, groups


def _is_parquet(files: list[HubFile]) -> bool:
    return all(file.path.endswith(".parquet") for file in files)


def _is_large(file: HubFile) -> bool:
    """Whether the Hub keeps a file apart from git: then it lists its SHA-256."""
    return file.remote.object_id.kind == SHA256


def _nested(source: HubSource) -> bool:
    """Whether a row is a repository, with a list of files."""
    return any("." in column for column in source.columns.values())


def _rows_of(source: HubSource, size: SourceSize, wanted: int) -> int:
    """Returns how many rows a sample takes."""
    assert size.rows is not None
    if source.content in ("software_heritage", "url"):
        rows = PROBE_REPOSITORIES if _nested(source) else PROBE_ROWS
        return rows * wanted // PROBE_BYTES
    return int(size.rows * wanted / PACKED_TEXT / max(1, size.bytes))


def _smallest(files: list[HubFile], wanted: int) -> list[HubFile]:
    """Returns the smallest files that have so many bytes together."""
    taken, some = 0, []
    for file in sorted(files, key=lambda file: (file.remote.size, file.path)):
        some.append(file)
        taken += file.remote.size
        if taken >= wanted:
            break
    return some


def _write_heads(files: list[HubFile], share: float, folder: Path) -> int:
    """Writes the first lines of each file that has lines, of the smallest others all; returns the
    bytes of all.
    """
    with_lines = [file for file in files if file.path.lower().endswith(BY_LINES)]
    taken = 0
    for file in with_lines or _smallest(files, 1):
        size = file.remote.size
        wanted = max(1, math.ceil(size * share)) if with_lines else size
        head = file.remote.read(0, wanted)
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(head[: head.rfind(b"\n") + 1] or head)
        taken += target.stat().st_size
    return taken
