"""Addresses of datasets on the Hub, as people copy them: `owner/name`, links, `hf://datasets/...`."""

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tohum.errors import UserError

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
REPO_ID = re.compile(r"(\b[\w.-]+\b/)?\b[\w.-]+\b", re.ASCII)  # as huggingface_hub checks it
GIT = re.compile(r"git@([\w.]+):", re.ASCII)  # git's address of a repository, with SSH
LONGEST_ID = 96
VIEWS = ("tree", "blob", "resolve", "raw", "commit", "commits")  # pages of a revision


@dataclass(frozen=True)
class HubAddress:
    """A dataset; a revision and a path in it if the address names them, else empty."""

    repo_id: str
    revision: str = ""
    path: str = ""


def is_address(text: str) -> bool:
    """Returns whether this is an address rather than a path or owner/name."""
    plain = text.strip()
    return (
        "://" in plain
        or GIT.match(plain) is not None
        or plain.startswith("datasets/")
        or _host(plain) in HOSTS
    )


def read_address(text: str, key: str) -> HubAddress:
    """Reads `owner/name`, `owner/name/path@revision`, `hf://datasets/owner/name@revision/path`, or
    the address of a dataset's page.

    Args:
        key: what the text is the value of, for messages.

    Raises:
        UserError: it names no dataset of the Hub.
    """
    plain = GIT.sub(r"https://\1/", text.strip())
    scheme, separator, rest = plain.partition("://")
    if separator and scheme.lower() == "hf":
        found = _read_file_system(rest)
    elif separator or _host(plain) in HOSTS:
        found = _read_page(plain if separator else f"https://{plain}")
    else:
        named, _, revision = plain.removeprefix("datasets/").partition("@")
        found = _divided(named.strip("/").split("/"), revision)
    valid = found is not None and REPO_ID.fullmatch(found.repo_id)
    if found is None or not valid or len(found.repo_id) > LONGEST_ID or _odd(found.repo_id):
        raise UserError(
            f"{key} is '{re.sub('//[^/]*@', '//', text)}', which names no dataset of the Hub. "
            "Expected owner/name, or an address such as https://huggingface.co/datasets/owner/name."
        )
    return found


def _host(text: str) -> str:
    return text.partition("/")[0].lower()


def _odd(repo_id: str) -> bool:
    return "--" in repo_id or ".." in repo_id or repo_id.endswith(".git")


def _divided(parts: list[str], revision: str) -> HubAddress:
    return HubAddress("/".join(parts[:2]), revision, "/".join(parts[2:]))


def _read_file_system(rest: str) -> HubAddress | None:
    """Reads an address of huggingface_hub's file system, without its scheme."""
    kind, _, named = unquote(rest).partition("/")
    if kind != "datasets":
        return None  # a model, a space or a bucket
    repo_id, at, below = named.strip("/").partition("@")
    if not at:
        return _divided(repo_id.split("/"), "")
    revision, path = _revision_first(below.split("/"))
    return HubAddress(repo_id, revision, path)


def _read_page(url: str) -> HubAddress | None:
    """Reads the address of one of a dataset's pages, or of a file in it."""
    try:
        parts = urlsplit(url)
        endpoint = urlsplit(os.environ.get("HF_ENDPOINT", ""))
    except ValueError:
        return None
    host = parts.netloc.rpartition("@")[2].lower()
    if parts.scheme.lower() not in ("http", "https") or host not in (*HOSTS, endpoint.netloc):
        return None
    kind, *names = [unquote(part) for part in parts.path.strip("/").split("/")]
    if kind != "datasets":
        return None  # a model or a space
    owned = len(names) > 1 and not (names[1] in VIEWS and len(names) > 2 and names[2] not in VIEWS)
    repo_id = "/".join(names[: 1 + owned]).removesuffix(".git")
    view, below = names[1 + owned :][:1], names[2 + owned :]
    revision, path = _revision_first(below) if below and view[0] in VIEWS else ("", "")
    return HubAddress(repo_id, revision, path)


def _revision_first(parts: list[str]) -> tuple[str, str]:
    """Divides a path that begins with a revision: a branch, a commit, or refs/convert/parquet."""
    length = 3 if parts[0] == "refs" else 1
    return "/".join(parts[:length]), "/".join(parts[length:])
