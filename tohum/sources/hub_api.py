"""Queries the Hugging Face Hub: a revision's commit, a dataset's files, access.

Each refusal of the Hub becomes a message that says what the user can do.
"""

import fnmatch
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import httpx2
from dotenv import dotenv_values
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
from tohum.sources.remote_file import RemoteFile

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


@dataclass
class HubFile:
    """A file of a dataset at a commit, and where its bytes are."""

    path: str
    commit: str
    remote: RemoteFile


def resolve(api: HfApi, repo_id: str, revision: str) -> str:
    """Returns the commit of the wanted revision, after checking that its files may be read.

    The Hub lets anyone list a gated dataset, so a successful listing proves nothing.
    """
    info = ask(repo_id, revision, lambda: api.dataset_info(repo_id, revision=revision))
    ask(repo_id, revision, lambda: api.auth_check(repo_id, repo_type="dataset"))
    commit = str(info.sha)
    if commit != revision:
        log.info(
            "%s is at commit %s; pin it for a repeatable result: source.revision=%s",
            revision,
            commit,
            commit,
        )
    return commit


def matching(api: HfApi, repo_id: str, commit: str, pattern: str) -> list[HubFile]:
    """Returns the files that match a pattern, by path.

    Raises:
        UserError: none does; the message lists what is next to it.
    """
    folder = pattern.partition("*")[0].rpartition("/")[0]
    tree = ask(
        repo_id,
        commit,
        lambda: list(
            api.list_repo_tree(
                repo_id,
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
        siblings = ", ".join(sorted(entry.path for entry in tree)[:20])
        raise UserError(
            f"source.paths: no file of {repo_id} matches '{pattern}'. In "
            f"{folder or 'its root'}: {siblings or 'nothing'}."
        )
    return [_hub_file(repo_id, commit, file) for file in sorted(found, key=lambda file: file.path)]


def _hub_file(repo_id: str, commit: str, file: RepoFile) -> HubFile:
    if ".." in PurePosixPath(file.path).parts:
        raise UserError(f"{repo_id} has a file named '{file.path}', which leaves its folder.")
    url = hf_hub_url(repo_id, file.path, repo_type="dataset", revision=commit)
    sha256 = file.lfs.sha256 if file.lfs else None
    return HubFile(file.path, commit, RemoteFile(url, build_hf_headers(), file.size, sha256))


def read_env_file(path: Path) -> None:
    """Takes HF_TOKEN from a .env file if the environment does not have it."""
    if not path.is_file():
        return
    token = dotenv_values(path, interpolate=False, encoding="utf-8-sig").get("HF_TOKEN")
    if token:
        os.environ.setdefault("HF_TOKEN", token)


def ask(repo_id: str, revision: str, question: Callable[[], Answer]) -> Answer:
    """Asks the Hub, and turns each refusal into advice for the user.

    Raises:
        UserError: the Hub refuses, doesn't have it, or can't be reached.
    """
    page = f"https://huggingface.co/datasets/{repo_id}"
    token = (
        "Create a token with read access at https://huggingface.co/settings/tokens and set "
        "HF_TOKEN, in the environment or in .env"
    )
    try:
        return question()
    except GatedRepoError as error:
        status = error.response.status_code
        if status == 401:
            raise UserError(f"{repo_id} is gated. Accept its terms at {page}. {token}.") from None
        raise UserError(
            f"{repo_id} is gated, and the account of your HF_TOKEN has no access: accept "
            f"the terms at {page} with that account."
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f"source.revision is '{revision}', which {repo_id} does not have. Give "
            f"a branch or a commit of {page}/commits/main; a commit that was squashed away is "
            "gone."
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"source.repo_id is '{repo_id}': there is no such dataset, or it is private. "
            f"{token} if it is yours."
        ) from None
    except EntryNotFoundError as error:
        raise UserError(
            f"source.paths: {repo_id} has no such folder ({_first_line(error)})."
        ) from None
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 401:
            raise UserError(f"the Hub does not accept your HF_TOKEN. {token}.") from None
        raise UserError(f"the Hub answered {_first_line(error)}. Try again later.") from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise UserError(
            f"the Hub can't be reached ({_first_line(error)}). Check the network, HF_ENDPOINT and "
            "HF_HUB_OFFLINE."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
