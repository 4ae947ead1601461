"""Parquet files of the Stack's releases, made from blobs.

Each function gives the table of one release; `parquet_bytes` writes it. What a blob does not say is
derived from a hash of its repository's name: ids, dates, and whether GHArchive knew the repository.
Where it did not, github_id and the gha_* columns are null.
"""

import hashlib
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow
import pyarrow.parquet

from tests.fakes.blobs import Blob
from tests.fakes.schemas import (
    PYTHON_EDU,
    STACK_EDU,
    STACK_SMOL,
    STACK_V2,
    STACK_V3,
    TRAIN_IDS,
)

Row = dict[str, Any]

EMAIL = re.compile(r"[\w.]+@[\w.]+\w")
FIRST_VISIT = datetime(2016, 7, 1, 12, 27, 33, 123456, tzinfo=UTC)


def stack_v2(blobs: list[Blob]) -> pyarrow.Table:
    """bigcode/the-stack-v2 and -dedup: one row per blob, without its content."""
    return _table(
        [{**_repository_row(blob.repo_name), **_v2_row(blob)} for blob in blobs], STACK_V2
    )


def train_ids(blobs: list[Blob]) -> pyarrow.Table:
    """bigcode/the-stack-v2-train-*-ids: one row per repository, its blobs nested in `files`."""

    def row(repo_name: str, files: list[Blob]) -> Row:
        return {
            **_repository_row(repo_name),
            "star_events_count": files[0].stars,
            "files": [{**_v2_row(blob), **_line_measures(blob.text)} for blob in files],
            "num_files": len(files),
        }

    return _table(_by_repository(blobs, row), TRAIN_IDS)


def stack_edu(blobs: list[Blob]) -> pyarrow.Table:
    """HuggingFaceTB/stack-edu: one row per blob, large_string columns, without its content."""
    return _table([{**_v2_row(blob), **_scores(blob)} for blob in blobs], STACK_EDU)


def python_edu(blobs: list[Blob]) -> pyarrow.Table:
    """HuggingFaceTB/smollm-corpus, python-edu: one row per blob, no encoding, no content."""
    return _table([{**_v2_row(blob), **_scores(blob)} for blob in blobs], PYTHON_EDU)


def stack_v3(blobs: list[Blob]) -> pyarrow.Table:
    """HuggingFaceCode/stack-v3-train: one row per repository, the released text in `files`."""

    def row(repo_name: str, files: list[Blob]) -> Row:
        known = _repository_row(repo_name)
        return {
            "repo_path": repo_name,
            "repo_id": int(_digest("github", repo_name)[:8], 16),
            "commit_id": known["revision_id"],
            "github_metadata": {
                "branch": "main",
                "commit_count": 12,
                "repo_created_at": known["visit_date"].isoformat(),
                "is_fork": False,
                "is_org_owned": False,
                "forked_from": None,
                "stars": files[0].stars,
                "forks": 0,
                "issues": 0,
                "pull_requests": 0,
            },
            "num_files": len(files),
            "files": [_v3_file(blob, known["revision_date"]) for blob in files],
        }

    return _table(_by_repository(blobs, row), STACK_V3)


def stack_smol(blobs: list[Blob]) -> pyarrow.Table:
    """bigcode/the-stack-smol, the first release: one row per blob with `content`."""
    rows = [
        {
            **_line_measures(blob.text),
            "content": blob.text,
            "licenses": list(blob.licenses),
            "repository_name": blob.repo_name,
            "path": blob.path.lstrip("/"),
            "size": blob.length_bytes,
            "lang": blob.language,
        }
        for blob in blobs
    ]
    return _table(rows, STACK_SMOL)


def parquet_bytes(table: pyarrow.Table, row_group_size: int | None = 1000) -> bytes:
    """The file of this table in groups of so many rows; None is one group of all rows."""
    out = io.BytesIO()
    size = max(1, len(table)) if row_group_size is None else row_group_size
    pyarrow.parquet.write_table(table, out, row_group_size=size)
    return out.getvalue()


def released_text(blob: Blob) -> str:
    """The text as The Stack v3 has it: with an address redacted it is not what content_id names."""
    return EMAIL.sub("<EMAIL>", blob.text)


def _table(rows: list[Row], schema: pyarrow.Schema) -> pyarrow.Table:
    """A table of the schema's columns; columns that a row lacks are null."""
    return pyarrow.Table.from_pylist(rows, schema=schema)


def _digest(kind: str, repo_name: str) -> str:
    return hashlib.sha1(f"{kind} {repo_name}".encode()).hexdigest()


def _by_repository(blobs: list[Blob], row: Callable[[str, list[Blob]], Row]) -> list[Row]:
    """The row of each repository, in order of first appearance."""
    repositories: dict[str, list[Blob]] = {}
    for blob in blobs:
        repositories.setdefault(blob.repo_name, []).append(blob)
    return [row(repo_name, files) for repo_name, files in repositories.items()]


def _repository_row(repo_name: str) -> Row:
    seed = int(_digest("repository", repo_name)[:6], 16)
    visited = FIRST_VISIT + timedelta(minutes=seed % 100_000)
    committed = visited.replace(microsecond=0) - timedelta(days=30)
    row: Row = {
        "repo_name": repo_name,
        "repo_url": f"https://github.com/{repo_name}",
        "directory_id": _digest("directory", repo_name),
        "snapshot_id": _digest("snapshot", repo_name),
        "revision_id": _digest("revision", repo_name),
        "branch_name": "refs/heads/master",
        "visit_date": visited,
        "revision_date": committed,
        "committer_date": committed,
        "star_events_count": 0,
        "fork_events_count": 0,
    }
    if seed % 2:
        return row
    archived = {
        "github_id": seed,
        "gha_license_id": "MIT",
        "gha_event_created_at": visited.replace(microsecond=0),
        "gha_created_at": committed - timedelta(days=365),
        "gha_updated_at": committed,
        "gha_pushed_at": committed,
        "gha_language": "JavaScript",
    }
    return {**row, **archived}


def _v2_row(blob: Blob) -> Row:
    return {
        "blob_id": blob.blob_id,
        "path": blob.path,
        "content_id": blob.content_id,
        "detected_licenses": list(blob.licenses),
        "license_type": blob.license_type,
        "repo_name": blob.repo_name,
        "star_events_count": blob.stars,
        "src_encoding": blob.encoding,
        "language": blob.language,
        "is_vendor": blob.is_vendor,
        "is_generated": blob.is_generated,
        "length_bytes": blob.length_bytes,
        "extension": blob.extension,
    }


def _v3_file(blob: Blob, modified: datetime) -> Row:
    text = released_text(blob)
    return {
        "content_id": blob.blob_id,
        "content": text,
        "size_bytes": len(text.encode()),
        "file_path": blob.path,
        "file_timestamp": int(modified.timestamp()),
        "language": blob.language,
        "is_vendor": blob.is_vendor,
        "license_type": blob.license_type,
        "detected_licenses": list(blob.licenses),
    }


def _scores(blob: Blob) -> Row:
    return {"score": blob.score, "int_score": round(min(max(blob.score, 0.0), 5.0))}


def _line_measures(text: str) -> Row:
    """The measures of the Stack; line lengths exclude the newline."""
    lines = text.splitlines() or [""]
    size = max(1, len(text))
    return {
        "alphanum_fraction": sum(letter.isalnum() for letter in text) / size,
        "alpha_fraction": sum(letter.isalpha() for letter in text) / size,
        "num_lines": len(lines),
        "avg_line_length": sum(map(len, lines)) / len(lines),
        "max_line_length": max(map(len, lines)),
    }
