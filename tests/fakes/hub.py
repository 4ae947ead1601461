"""The Hugging Face Hub with one dataset, gated or not, and a CDN for its LFS files.

It answers what huggingface_hub 2.4.0 asks for repo_info, list_repo_tree, get_paths_info,
auth_check, whoami and hf_hub_download, and plain ranged reads of `resolve`. As on the real Hub,
listings of a gated dataset are public while its files are not, and the CDN, on another port, has
ETags of its own: the SHA-256 that `X-Linked-ETag` tells is no value for If-Match or If-Range.
"""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from tests.fakes.access import Refused, check_gate, check_token
from tests.fakes.faults import FOREVER, Schedule
from tests.fakes.messages import Interruption, Reply, Request, file_reply, json_reply
from tests.fakes.repository import Revision, is_lfs
from tests.fakes.server import Script, Server

COMMIT = "e565caa3a78c2423bd374333a472b049eb090e47"
INVERTED = bytes(range(255, -1, -1))


class FakeHub:
    """One dataset of `files` by path, at `commit`, to which `branch` points.

    `page` is the number of entries in one answer of a listing. Without `redirect` the Hub sends LFS
    files itself. `gated`, `page`, `redirect` and `ranges` (whether a Range is answered with 206)
    may be changed while it runs, and so may `revisions`, by commit, and `branches`.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        repo_id: str = "bigcode/the-stack-v2",
        commit: str = COMMIT,
        branch: str = "main",
        gated: bool = False,
        page: int = 1000,
        redirect: bool = True,
        ranges: bool = True,
    ) -> None:
        self.repo_id = repo_id
        self.gated = gated
        self.page = page
        self.redirect = redirect
        self.ranges = ranges
        self.revisions = {commit: Revision(commit, dict(files))}
        self.branches = {branch: commit}
        self._hub = Server(self._answer, "hub")
        self._cdn = Server(self._answer, "cdn")
        self._cdn.requests = self._hub.requests
        self._cdn.scripts = self._hub.scripts
        self._failures: Schedule[Reply] = Schedule()
        self._interruptions: Schedule[Interruption] = Schedule()
        self._damages: Schedule[Callable[[bytes], bytes]] = Schedule()

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(self._hub)
        self._stack.enter_context(self._cdn)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def endpoint(self) -> str:
        """The value for HF_ENDPOINT."""
        return self._hub.endpoint

    @property
    def requests(self) -> list[Request]:
        """Every request, in order; its `server` is "hub" or "cdn"."""
        return self._hub.requests

    def move_branch(self, commit: str, files: dict[str, bytes], branch: str = "main") -> None:
        """Adds a commit with these files and points the branch to it; older commits stay."""
        self.revisions[commit] = Revision(commit, dict(files))
        self.branches[branch] = commit

    def fail(
        self, status: int, times: float = 1, retry_after: int | None = None, part: str = ""
    ) -> None:
        """Answers the next requests about the dataset, or those with `part` in the path, so.

        Both servers fail; `/resolve/` is a part of the Hub's file paths only, `/lfs/` of the CDN's.
        """
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        reply = Reply(status, b"Try again later", {"Content-Type": "text/plain", **headers})
        self._failures.add(reply, times, part)

    def drop_after(self, size: int, times: float = 1, path: str = "") -> None:
        """Closes the connection after `size` bytes of each of the next file bodies."""
        self._interruptions.add(Interruption(size), times, path)

    def stall_after(self, size: int, times: float = 1, path: str = "") -> None:
        """Sends `size` bytes of each of the next file bodies, and then nothing."""
        self._interruptions.add(Interruption(size, stall=True), times, path)

    def corrupt(self, path: str, times: float = FOREVER, body: bytes | None = None) -> None:
        """Serves `body`, or the file's bytes inverted, in place of this file's."""
        self._damages.add(
            lambda real: real.translate(INVERTED) if body is None else body, times, path
        )

    def play(self, script: Script, times: float = 1, part: str = "") -> None:
        """Has the next answers, or those with `part` in the path, sent by a script."""
        self._hub.scripts.add(script, times, part)

    def heal(self) -> None:
        """Forgets every fault."""
        scripts = self._hub.scripts
        for schedule in (self._failures, self._interruptions, self._damages, scripts):
            schedule.clear()

    def _answer(self, request: Request) -> Reply:
        try:
            return self._route(request)
        except Refused as refused:
            return refused.reply

    def _route(self, request: Request) -> Reply:
        match request.segments:
            case ["api", "agent-harnesses"]:
                return json_reply({"standardEnvVars": [], "harnesses": {}})
            case ["api", "whoami-v2"]:
                return self._whoami(request)
        if failure := self._failures.take(request.path):
            return failure
        match request.segments:
            case ["lfs", commit, *path] if request.server == "cdn":
                return self._lfs_file(request, commit, "/".join(path))
            case ["api", "datasets", owner, name, *rest]:
                self._check_repository(request, f"{owner}/{name}")
                return self._api(request, rest)
            case ["datasets", owner, name, "resolve", revision, *path]:
                self._check_repository(request, f"{owner}/{name}")
                self._check_gate(request)
                return self._resolve(request, self._revision(revision), "/".join(path))
        raise Refused(404, "Sorry, we can't find the page you are looking for.")

    def _whoami(self, request: Request) -> Reply:
        if not request.token:
            raise Refused(401, "Invalid username or password.")
        check_token(request)
        token = {"displayName": "test", "role": "read"}
        auth = {"type": "access_token", "accessToken": token}
        return json_reply({"type": "user", "name": request.token, "orgs": [], "auth": auth})

    def _api(self, request: Request, rest: list[str]) -> Reply:
        sizes = request.query.get("blobs", "").lower() == "true"
        match rest:
            case []:
                revision = self._revision(next(iter(self.branches)))
                return json_reply(revision.info(self.repo_id, self.gated, sizes))
            case ["revision", name]:
                revision = self._revision(name)
                return json_reply(revision.info(self.repo_id, self.gated, sizes))
            case ["auth-check"]:
                self._check_gate(request)
                return json_reply({})
            case ["tree", name, *folder]:
                return self._tree(request, self._revision(name), "/".join(folder))
            case ["paths-info", name] if request.method == "POST":
                paths = parse_qs(request.body.decode()).get("paths", [])
                return json_reply(self._revision(name).entries_at(paths))
        raise Refused(404, "Not Found")

    def _check_repository(self, request: Request, repo_id: str) -> None:
        check_token(request)
        if repo_id != self.repo_id:
            raise Refused(401, "Repository not found", "RepoNotFound")

    def _check_gate(self, request: Request) -> None:
        if self.gated:
            check_gate(request, self.repo_id)

    def _revision(self, name: str) -> Revision:
        revision = self.revisions.get(self.branches.get(name, name))
        if revision is None:
            raise Refused(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return revision

    def _tree(self, request: Request, revision: Revision, folder: str) -> Reply:
        recursive = request.query.get("recursive", "").lower() == "true"
        entries = revision.entries(folder, recursive)
        if folder and not entries:
            message = f'{folder} does not exist on "{revision.commit}"'
            raise Refused(404, message, "EntryNotFound", revision.commit)
        start = int(request.query.get("cursor", 0))
        stop = start + self.page
        headers = {}
        if stop < len(entries):
            query = urlencode({**request.query, "cursor": stop})
            address = f"{self.endpoint}{urlsplit(request.target).path}?{query}"
            headers["Link"] = f'<{address}>; rel="next"'
        return json_reply(entries[start:stop], headers)

    def _resolve(self, request: Request, revision: Revision, path: str) -> Reply:
        if path not in revision.files:
            raise Refused(404, "Entry not found", "EntryNotFound", revision.commit)
        entry = revision.file_entry(path)
        headers = {"X-Repo-Commit": revision.commit}
        if not is_lfs(path):
            return self._file(request, revision, path, f'"{entry["oid"]}"', headers)
        sha256 = entry["lfs"]["oid"]
        headers |= {"X-Linked-ETag": f'"{sha256}"', "X-Linked-Size": str(entry["size"])}
        if not self.redirect:
            return self._file(request, revision, path, f'"{sha256}"', headers)
        headers["ETag"] = f'"{entry["oid"]}"'
        headers["Accept-Ranges"] = "bytes"
        headers["Location"] = (
            f"{self._cdn.endpoint}/lfs/{revision.commit}/{quote(path)}?Signature=1"
        )
        return Reply(302, b"Found. Redirecting", headers)

    def _lfs_file(self, request: Request, commit: str, path: str) -> Reply:
        if request.token:
            raise Refused(400, "Only one auth mechanism allowed; the Hub's token was sent too")
        revision = self._revision(commit)
        if path not in revision.files:
            raise Refused(403, "Access Denied")
        md5 = hashlib.md5(revision.files[path]).hexdigest()
        return self._file(request, revision, path, f'"{md5}-1"', {})

    def _file(
        self, request: Request, revision: Revision, path: str, etag: str, headers: dict[str, str]
    ) -> Reply:
        """Sends a file's bytes, with the faults that are set for a GET."""
        body = revision.files[path]
        headers = {"Content-Type": "application/octet-stream", **headers}
        if request.method != "GET":
            return file_reply(request, body, etag, headers, self.ranges)
        if damage := self._damages.take(path):
            body = damage(body)
        reply = file_reply(request, body, etag, headers, self.ranges)
        if reply.status not in (200, 206):
            return reply
        return replace(reply, interruption=self._interruptions.take(path))
