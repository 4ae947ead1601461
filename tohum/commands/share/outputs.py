"""The outputs that can be shared, from dvc.lock and .dvc files, and the objects of each.

An output is an object in DVC's cache or, if it is a folder, a `.dir` object that names the objects
of its files. They are read through DVC itself, so every kind of target and remote works as in `dvc
push`.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tohum.commands.share.object_hashes import md5_of, named_by
from tohum.errors import UserError


@dataclass(frozen=True)
class Output:
    """One output: its path from the project's root, its bytes and files as in dvc.lock, and the
    name of its object; `remote` if dvc.yaml gives it its own.
    """

    path: str
    size: int
    files: int
    oid: str
    remote: str | None
    out: Any = field(repr=False, compare=False)  # dvc.output.Output


@contextmanager
def open_repo() -> Iterator[Any]:
    """Opens the project through DVC, silenced: `share` reports what it finds."""
    from dvc.repo import Repo  # sets the levels of its loggers

    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with Repo() as repo:
        yield repo


def shared_outputs(repo: Any, targets: Sequence[str]) -> list[Output]:
    """Returns the outputs that the targets name, or all of them without targets.

    A target is an output, a folder above outputs (`data`), or a stage.

    Raises:
        UserError: a target names none of them.
    """
    every = [_output(repo, out) for out in repo.index.outs if _can_share(out)]
    if not every:
        raise UserError(
            "dvc.lock has no outputs yet, so there is nothing to share. Run `dvc repro` first, or "
            "`git pull` to get a friend's dvc.lock."
        )
    chosen: dict[str, Output] = {}
    for target in targets:
        named = [output for output in every if _names(repo, target, output)]
        if not named:
            raise UserError(
                f"'{target}' is not an output in dvc.lock, a folder above one or a stage "
                f"that made one. There are: {', '.join(output.path for output in every)}."
            )
        chosen |= {output.path: output for output in named}
    return sorted(chosen.values() if targets else every, key=lambda output: output.path)


def _can_share(out: Any) -> bool:
    return bool(out.use_cache and out.can_push and out.hash_info and not out.stage.is_repo_import)


def _output(repo: Any, out: Any) -> Output:
    path = Path(os.path.relpath(out.fs_path, repo.root_dir)).as_posix()
    files = out.meta.nfiles or 1
    return Output(path, out.meta.size or 0, files, out.hash_info.value, out.remote, out)


def _names(repo: Any, target: str, output: Output) -> bool:
    if output.out.stage.addressing == target:
        return True
    asked = Path(os.path.relpath(Path(target).absolute(), repo.root_dir)).as_posix()
    return asked in (output.path, ".") or output.path.startswith(asked + "/")


def objects_of(output: Output, remote: str | None) -> dict[str, str] | None:
    """Returns the objects of an output, each with the path of its file.

    A `.dir` object that the cache doesn't have, or has damaged, is fetched from the remote; None if
    the remote doesn't have it either, or has it damaged.
    """
    objects = {output.oid: output.path}
    if output.oid.endswith(".dir"):
        drop_damaged_list(output)
        tree = output.out.get_dir_cache(remote=output.remote or remote)
        if tree is None or drop_damaged_list(output):
            return None
        for key, _, hash_info in tree:
            objects[hash_info.value] = "/".join((output.path, *key))
    return objects


def drop_damaged_list(output: Output) -> bool:
    """Deletes an output's `.dir` object from the cache if it is damaged; returns whether it was."""
    path = Path(output.out.cache.oid_to_path(output.oid))
    damaged = path.is_file() and md5_of(path) != named_by(output.oid)
    if damaged:
        path.unlink()
    return damaged


def cached_sizes(repo: Any, oids: Iterable[str]) -> dict[str, int]:
    """Returns the sizes of those objects that are in this machine's cache."""
    sizes = {}
    for oid in oids:
        try:
            sizes[oid] = os.stat(repo.cache.local.oid_to_path(oid)).st_size  # noqa: PTH116 300 a ms
        except FileNotFoundError:
            continue
    return sizes
