"""Queries the Hugging Face Hub: a revision's commit, a dataset's files, access.

Each refusal of the Hub becomes a message that says what the user can do.
"""

import fnmatch
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

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
from huggingface_hub.hf_api import RepoFolder
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented

from tohum.errors import UserError
from tohum.sources.hub_file_names import check_name
from tohum.sources.hub_patience import answer_patiently, first_line
from tohum.sources.object_ids import GIT_BLOB, SHA256, ObjectId
from tohum.sources.remote_file import RemoteFile

Answer = TypeVar("Answer")
COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
ANSWER_SECONDS = 1800.0  # to list a dataset of a million files
UNREACHABLE = (httpx2.HTTPError, httpx2.InvalidURL)

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
    if not COMMIT.fullmatch(commit):
        raise UserError(
            f"the Hub gives '{commit}' as the commit of {repo_id}, which is none. Is HF_ENDPOINT "
            "another service?"
        )
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
    recursive = "**" in pattern or "/" in pattern[len(folder) + 1 :]
    tree = list_tree(api, repo_id, commit, folder, recursive)
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    found = [
        file for file in files if pattern == file.path or fnmatch.fnmatchcase(file.path, pattern)
    ]
    if not found:
        siblings = ", ".join(sorted(entry.path for entry in tree)[:20])
        raise UserError(
            f"source.paths: no file of {repo_id} matches '{pattern}'. In "
            f"{folder or 'its root'}: {siblings or 'nothing'}."
        )
    return [
        HubFile(file.path, commit, remote_file(repo_id, commit, file))
        for file in sorted(found, key=lambda file: file.path)
    ]


def list_tree(
    api: HfApi, repo_id: str, commit: str, folder: str, recursive: bool
) -> list[RepoFile | RepoFolder]:
    """Returns what is in a folder of a dataset, empty for its root.

    Raises:
        UserError: there is no such folder, or the Hub's answer can't be read.
    """

    def question() -> list[RepoFile | RepoFolder]:
        tree = [
            *api.list_repo_tree(
                repo_id, folder or None, repo_type="dataset", revision=commit, recursive=recursive
            )
        ]
        if not all(isinstance(entry.path, str) for entry in tree):
            raise TypeError("the name of a file is not text")
        return tree

    return ask(repo_id, commit, question)


def remote_file(repo_id: str, commit: str, file: RepoFile) -> RemoteFile:
    """Returns where a listed file's bytes are, and how many and which they must be.

    Raises:
        UserError: its name can't be written, or the list gives no size or no hash.
    """
    check_name(repo_id, file.path)
    listed = file.lfs.sha256 if file.lfs else file.blob_id
    object_id = ObjectId.read(SHA256 if file.lfs else GIT_BLOB, listed)
    if object_id is None or type(file.size) is not int or file.size < 0:
        raise UserError(
            f"the Hub lists {file.path!a} of {repo_id} with the hash {listed!r} and the size "
            f"{file.size!r}, so it can't be verified. Name other files in source.paths, or report "
            "it to the dataset's owners."
        )
    url = hf_hub_url(repo_id, file.path, repo_type="dataset", revision=commit)
    return RemoteFile(url, build_hf_headers(), file.size, object_id)


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
        return answer_patiently(question, ANSWER_SECONDS)
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
            f"source.paths: {repo_id} has no such folder ({first_line(error)})."
        ) from None
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 401:
            raise UserError(f"the Hub does not accept your HF_TOKEN. {token}.") from None
        raise UserError(f"the Hub answered {first_line(error)}. Try again later.") from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, OSError, *UNREACHABLE) as error:
        raise UserError(
            f"the Hub can't be reached ({first_line(error)}). Check the network, HF_ENDPOINT and "
            "HF_HUB_OFFLINE."
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"the Hub's answer about {repo_id} can't be read ({type(error).__name__}: "
            f"{first_line(error)}). Does this network want you to log in, or is HF_ENDPOINT "
            "another service?"
        ) from None
