"""Takes whole files of a Hub dataset: from an earlier download, or from the Hub, and checks each.

What has come of a file is in a `.part` next to it. On a cluster, where a task is a large file or
some small ones, every process has a part of its own, elsewhere, which begins with what the others
have: a node that was given up may still write to its own.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented

from tohum.cluster import Advance, StageTasks, Task, Work, run
from tohum.config.runtime import Runtime
from tohum.files import WRITER, file_sha256
from tohum.progress import progress_bar
from tohum.sources.destination import link_or_copy
from tohum.sources.hub_api import HubFile
from tohum.sources.hub_token import load_token
from tohum.sources.object_ids import SHA256
from tohum.workdir import project_root

PART = ".part"
TASK_BYTES = 32 << 20  # at least, in at most TASK_FILES
TASK_FILES = 64
CORES = 0.25  # of a core, for each task: it waits for the network
MEMORY_BYTES = 300_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WholeFiles:
    """Takes files to `folder`; those in the folders `earlier` are not fetched again. `parts` is for
    what processes have fetched so far, each its own.
    """

    folder: Path
    earlier: list[Path]
    parts: Path

    def take(self, file: HubFile) -> str:
        """Takes a file, and returns its SHA-256.

        Raises:
            UserError: the Hub doesn't serve it, or serves another one.
        """
        path = self.folder / file.path
        listed = file.remote.object_id
        if path.is_file() and listed.found(path) != listed.value:
            path.unlink()  # of an earlier try, and damaged since
        if not path.is_file() and (old := self._find(file)):
            log.info("%s: taken from an earlier download", file.path)
            link_or_copy(old, path)
        if not path.is_file():
            file.remote.download(path, self._begun(file, path))
        return listed.value if listed.kind == SHA256 else file_sha256(path)

    def _find(self, file: HubFile) -> Path | None:
        """Returns an earlier download of the file, by its name and the hash that the Hub lists."""
        for old in (folder / file.path for folder in self.earlier):
            whole = old.is_file() and old.stat().st_size == file.remote.size
            if whole and file.remote.object_id.found(old) == file.remote.object_id.value:
                return old
        return None

    def _begun(self, file: HubFile, path: Path) -> Path:
        """Returns where this process fetches a file to; what has come so far is there already."""
        part = path.with_name(path.name + PART)
        for folder in self.earlier if not part.is_file() else []:
            begun = folder / f"{file.path}{PART}"
            if begun.is_file():
                begun.replace(part)  # the whole is checked at the end
                break
        writer = os.environ.get(WRITER)
        if not writer:
            return part
        name = name_digest(file.path)
        own = self.parts / f"{name}{writer}{PART}"
        others = [other for other in (part, *self.parts.glob(f"{name}.*")) if other.is_file()]
        if others and not own.is_file():
            shutil.copyfile(max(others, key=lambda other: other.stat().st_size), own)
        return own

    def gather(self, files: list[HubFile]) -> None:
        """Makes the largest part that a process has had of a file its part."""
        if not self.parts.is_dir():
            return
        largest: dict[str, Path] = {}
        for own in sorted(self.parts.iterdir(), key=lambda own: own.stat().st_size):
            largest[own.name.partition(".")[0]] = own
        for file in files if largest else []:
            path = self.folder / file.path
            part = path.with_name(path.name + PART)
            own_part = largest.get(name_digest(file.path))
            if own_part and not path.is_file() and not part.is_file():
                own_part.replace(part)
        shutil.rmtree(self.parts, ignore_errors=True)


def name_digest(name: str) -> str:
    """Returns a short name for what is kept of a file until the download is complete."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def take_whole(files: list[HubFile], setup: WholeFiles, runtime: Runtime, work: Path) -> list[str]:
    """Takes files, on a cluster if there is one and they are many; returns their SHA-256.

    Args:
        work: the source's folder for unfinished work.

    Raises:
        UserError: the Hub doesn't serve a file, or serves another one.
    """
    for file in files:
        (setup.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    setup.gather(files)
    tasks = list(_tasks(files))
    if runtime.cluster is None or len(tasks) == 1:  # one node would do it all
        return [setup.take(file) for file in files]
    setup.parts.mkdir(parents=True, exist_ok=True)
    job = StageTasks("download", work, make_taker, setup, MEMORY_BYTES, cores=CORES)
    total = sum(file.remote.size for file in files)
    with progress_bar("download", "B", runtime.progress, unit_scale=True, total=total) as bar:
        found = [sha256 for of_task in run(job, iter(tasks), runtime, bar) for sha256 in of_task]
    for file in files:  # what was found elsewhere may have been begun by an earlier run
        path = setup.folder / file.path
        path.with_name(path.name + PART).unlink(missing_ok=True)
    shutil.rmtree(setup.parts, ignore_errors=True)
    return found


def _tasks(files: list[HubFile]) -> Iterator[Task]:
    """Yields large files alone and small ones together, without the secrets of their headers."""
    group: list[HubFile] = []
    for file in files:
        group.append(replace(file, remote=file.remote.with_headers({})))
        size = sum(each.remote.size for each in group)
        if size >= TASK_BYTES or len(group) == TASK_FILES:
            yield Task(group[0].path, group)
            group = []
    if group:
        yield Task(group[0].path, group)


def make_taker(setup: WholeFiles) -> Work:
    """Returns the function that takes some files on a node, with the token that the node finds."""
    load_token(project_root() / ".env")
    headers = build_hf_headers()

    def take(files: list[HubFile], advance: Advance) -> list[str]:
        found = []
        for file in files:
            found.append(setup.take(replace(file, remote=file.remote.with_headers(headers))))
            advance(file.remote.size)
        return found

    return take
