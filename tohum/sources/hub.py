"""The source `hub`: files of a Hugging Face dataset, at one commit, whole or only their first rows.

Whole files go on where they were after a kill (Range) and are checked against the SHA-256 that the
Hub lists for them. With `max_rows` only the row groups and columns that are needed are fetched.
huggingface_hub finds, lists and authorises; it does not resume a file in another process, so the
bytes are fetched here.
"""

import fnmatch
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import httpx2
from huggingface_hub import HfApi, RepoFile, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._headers import build_hf_headers

from tohum.errors import UserError
from tohum.files import file_sha256, publish, write_json
from tohum.sources.config import HubSource
from tohum.sources.first_rows import write_first_rows
from tohum.sources.remote import Remote
from tohum.workdir import open_workdir, project_root, work_key

BLOBS_PER_SECOND = 1000  # of the estimate; benchmarks/fetch.py measures what is possible
BYTES_PER_BLOB = 312  # of ids and what goes with them, in shards of The Stack v2
Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@dataclass
class HubFile:
    """A file of a dataset at a commit, and where its bytes are."""

    path: str
    commit: str
    remote: Remote


def download_dataset(source: HubSource, out: Path) -> None:
    """Writes the wanted files, their manifest and source.json to `out`.

    Raises:
        UserError: no access, no such repository, revision or file, too much, or a file that is not
            what the Hub says.
    """
    read_env_file(project_root() / ".env")
    api = HfApi()
    commit = resolve(api, source)
    groups = [matching(api, source, commit, pattern) for pattern in source.paths]
    tell(source, commit, [file for files in groups for file in files])
    with open_workdir(
        "download", work_key("download", [replace(source, revision=commit)], [])
    ) as work:
        finished = work / "raw"
        finished.mkdir(exist_ok=True)
        lines: list[dict[str, Any]] = []
        taken: set[str] = set()
        for files in groups:
            new = [file for file in files if file.path not in taken]
            taken.update(file.path for file in new)
            lines += _take(source, new, finished)
        with (finished / "manifest.jsonl").open("w", encoding="utf-8", newline="\n") as manifest:
            manifest.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        facts = {
            "kind": "hub",
            "repo_id": source.repo_id,
            "revision": commit,
            "content": source.content,
            "columns": source.columns,
            "files": len(lines),
            "bytes": sum(line["bytes"] for line in lines),
        }
        write_json(finished / "source.json", facts)
        publish(finished, out)


def resolve(api: HfApi, source: HubSource) -> str:
    """Returns the commit of the wanted revision, having checked that its files may be read.

    The Hub lets anyone list a gated dataset, so that a good listing proves nothing.
    """
    info = ask(source, lambda: api.dataset_info(source.repo_id, revision=source.revision))
    ask(source, lambda: api.auth_check(source.repo_id, repo_type="dataset"))
    commit = str(info.sha)
    if commit != source.revision:
        log.info(
            "%s is at commit %s; pin it for a result that can be repeated: source.revision=%s",
            source.revision,
            commit,
            commit,
        )
    return commit


def matching(api: HfApi, source: HubSource, commit: str, pattern: str) -> list[HubFile]:
    """Returns the files that match a pattern, by path.

    Raises:
        UserError: none does; the message has what lies beside it.
    """
    folder = pattern.partition("*")[0].rpartition("/")[0]
    tree = ask(
        source,
        lambda: list(
            api.list_repo_tree(
                source.repo_id,
                folder or None,
                repo_type="dataset",
                revision=commit,
                recursive="**" in pattern or "/" in pattern[len(folder) + 1 :],
            )
        ),
    )
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    found = [file for file in files if fnmatch.fnmatchcase(file.path, pattern)]
    if not found:
        beside = ", ".join(sorted(entry.path for entry in tree)[:20])
        raise UserError(
            f"source.paths: no file of {source.repo_id} matches '{pattern}'. In "
            f"{folder or 'its root'}: {beside or 'nothing'}."
        )
    return [_hub_file(source, commit, file) for file in sorted(found, key=lambda file: file.path)]


def _hub_file(source: HubSource, commit: str, file: RepoFile) -> HubFile:
    if ".." in PurePosixPath(file.path).parts:
        raise UserError(
            f"{source.repo_id} has a file named '{file.path}', which leaves its folder."
        )
    url = hf_hub_url(source.repo_id, file.path, repo_type="dataset", revision=commit)
    sha256 = file.lfs.sha256 if file.lfs else None
    return HubFile(file.path, commit, Remote(url, build_hf_headers(), file.size, sha256))


def tell(source: HubSource, commit: str, files: list[HubFile]) -> None:
    """Says what is about to be fetched, how long its contents take, and on which terms.

    Raises:
        UserError: it is more than source.max_bytes.
    """
    size = sum(file.remote.size for file in files)
    log.info("%s at %s: %d files, %.1f MB", source.repo_id, commit[:12], len(files), size / 1e6)
    if source.terms:
        log.info("terms: %s", source.terms)
    if source.max_rows is None and size > source.max_bytes:
        raise UserError(
            f"source.paths matches {len(files)} files of {source.repo_id} with {size / 1e9:.1f} "
            f"GB in all, more than source.max_bytes ({source.max_bytes / 1e9:.1f} GB). Raise it "
            "on purpose, name fewer files, or set source.max_rows to take the first rows only."
        )
    if source.max_rows is not None:
        log.info("taking the first %d rows; raise source.max_rows on purpose", source.max_rows)
    if source.content in ("software_heritage", "url"):
        blobs = source.max_rows or size // BYTES_PER_BLOB
        hours = blobs / BLOBS_PER_SECOND / 3600
        log.info("about %d files to fetch, %.1f h at %d a second", blobs, hours, BLOBS_PER_SECOND)


def _take(source: HubSource, files: list[HubFile], folder: Path) -> list[dict[str, Any]]:
    """Fetches the files of one pattern into `folder` and returns their lines of the manifest."""
    rows_left = None
    if source.max_rows is not None:
        rows_left = max(1, source.max_rows // len(source.paths))
    lines = []
    for file in files:
        if rows_left is not None and not file.path.endswith(".parquet"):
            raise UserError(
                f"source.max_rows is {source.max_rows}, and {file.path} of {source.repo_id} is no "
                "parquet file: only of parquet can the first rows be fetched. Set "
                "source.max_rows=null to take whole files."
            )
    for file in files:
        if rows_left == 0:
            break
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if rows_left is None:
            file.remote.download(path)
            taken, sha256 = "whole", file.remote.sha256 or file_sha256(path)
        else:
            columns = sorted(set(source.columns.values())) if source.content != "rows" else None
            rows = write_first_rows(file.remote, path, columns, rows_left)
            rows_left -= rows
            taken, sha256 = f"first {rows} rows", file_sha256(path)
        lines.append(
            {
                "file": file.path,
                "repo_id": source.repo_id,
                "revision": file.commit,
                "taken": taken,
                "bytes": path.stat().st_size,
                "sha256": sha256,
                "hub_sha256": file.remote.sha256,
            }
        )
    return lines


def read_env_file(path: Path) -> None:
    """Takes HF_TOKEN from a .env file, where the environment does not have it."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equal, value = line.strip().removeprefix("export ").partition("=")
        if equal and name.strip() == "HF_TOKEN":
            os.environ.setdefault(name.strip(), value.strip().strip("'\""))


def ask(source: HubSource, question: Callable[[], Answer]) -> Answer:
    """Asks the Hub, and turns each refusal into what the user can do.

    Raises:
        UserError: the Hub refuses, has no such thing, or can't be reached.
    """
    page = f"https://huggingface.co/datasets/{source.repo_id}"
    token = (
        "Make a token with read access at https://huggingface.co/settings/tokens and set "
        "HF_TOKEN, in the environment or in .env"
    )
    try:
        return question()
    except GatedRepoError as error:
        status = error.response.status_code
        if status == 401:
            raise UserError(
                f"{source.repo_id} is gated. Accept its terms at {page}. {token}."
            ) from None
        raise UserError(
            f"{source.repo_id} is gated, and the account of your HF_TOKEN has no access: accept "
            f"the terms at {page} with that account."
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f"source.revision is '{source.revision}', which {source.repo_id} does not have. Give "
            f"a branch or a commit of {page}/commits/main; a commit that was squashed away is "
            "gone."
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"source.repo_id is '{source.repo_id}': there is no such dataset, or it is private. "
            f"{token} if it is yours."
        ) from None
    except EntryNotFoundError as error:
        raise UserError(
            f"source.paths: {source.repo_id} has no such folder ({_first_line(error)})."
        ) from None
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 401:
            raise UserError(f"the Hub does not know your HF_TOKEN. {token}.") from None
        raise UserError(f"the Hub answered {_first_line(error)}. Try again later.") from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise UserError(
            f"the Hub can't be reached ({_first_line(error)}). Check the network, HF_ENDPOINT and "
            "HF_HUB_OFFLINE."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
