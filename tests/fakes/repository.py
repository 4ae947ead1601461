"""A dataset repository of the fake Hub: what one commit holds, in the Hub's own JSON."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

Entry = dict[str, Any]

# The Hub's default .gitattributes, the part that data repositories use.
LFS_SUFFIXES = frozenset({".parquet", ".arrow", ".gz", ".zst", ".zip", ".bin", ".safetensors"})


def git_blob_sha1(body: bytes) -> str:
    """The name that git gives to a file's bytes."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def is_lfs(path: str) -> bool:
    """Whether the Hub keeps this file in LFS, which decides how it is served."""
    return PurePosixPath(path).suffix in LFS_SUFFIXES


@dataclass(frozen=True)
class Revision:
    """One commit. A test may take a file out of `files`, as removals do on the Hub."""

    commit: str
    files: dict[str, bytes]

    def info(self, repo_id: str, gated: bool, sizes: bool) -> Entry:
        """The answer to a question about the repository at this commit."""
        return {
            "_id": "65c4a1d5f1a9a4f3a0c0ffee",
            "id": repo_id,
            "author": repo_id.partition("/")[0],
            "sha": self.commit,
            "lastModified": "2026-08-03T13:24:25.000Z",
            "createdAt": "2024-02-26T10:00:00.000Z",
            "private": False,
            "gated": "auto" if gated else False,
            "disabled": False,
            "downloads": 1,
            "likes": 1,
            "tags": [],
            "siblings": [self._sibling(path, sizes) for path in sorted(self.files)],
        }

    def _sibling(self, path: str, sizes: bool) -> Entry:
        if not sizes:
            return {"rfilename": path}
        entry = self.file_entry(path)
        sibling = {"rfilename": path, "size": entry["size"], "blobId": entry["oid"]}
        if "lfs" in entry:
            sibling["lfs"] = {"sha256": entry["lfs"]["oid"], **entry["lfs"]}
        return sibling

    def file_entry(self, path: str) -> Entry:
        """One file as `tree` and `paths-info` tell it."""
        body = self.files[path]
        entry: Entry = {
            "type": "file",
            "oid": git_blob_sha1(body),
            "size": len(body),
            "path": path,
        }
        if is_lfs(path):
            sha256 = hashlib.sha256(body).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(body), "pointerSize": 130}
        return entry

    def entries(self, folder: str, recursive: bool) -> list[Entry]:
        """Files and folders under `folder` ("" is the root), those right in it or all of them."""
        paths = [path for path in self.files if _is_under(path, folder)]
        folders = {parent for path in paths for parent in _parents(path) if parent != folder}
        told = {path: self.file_entry(path) for path in paths}
        told |= {path: _folder_entry(path) for path in folders if _is_under(path, folder)}
        return [
            told[path]
            for path in sorted(told)
            if recursive or "/" not in path[len(folder) :].lstrip("/")
        ]

    def entries_at(self, paths: list[str]) -> list[Entry]:
        """The entries at exactly these paths; paths that do not exist are left out."""
        every = {entry["path"]: entry for entry in self.entries("", recursive=True)}
        return [every[path] for path in paths if path in every]


def _is_under(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")


def _parents(path: str) -> Iterator[str]:
    """Every folder that holds this path, without the root."""
    return (str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")


def _folder_entry(path: str) -> Entry:
    return {
        "type": "directory",
        "oid": hashlib.sha1(path.encode()).hexdigest(),
        "size": 0,
        "path": path,
    }
