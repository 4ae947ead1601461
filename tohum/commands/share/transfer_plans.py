"""Plans what a push or a pull has to move."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tohum.commands.share.failures import Failure
from tohum.commands.share.listing import Held, hashed, list_remote
from tohum.commands.share.outputs import Output, cached_sizes, objects_of
from tohum.errors import UserError

OBJECT_PATH = re.compile(r"([0-9a-f]{2})[/\\]+([0-9a-f]{30}(?:\.dir)?)\b")


@dataclass
class TransferPlan:
    """The objects that one remote lacks (push) or this machine's cache (pull), each with the path
    of its file.
    """

    odb: Any
    missing: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)  # missing, though their .dir exists
    damaged: dict[str, Held] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)  # not here, and missing or damaged there
    unlisted: list[str] = field(default_factory=list)  # .dir objects that did not come

    @property
    def total(self) -> int:
        """The number of bytes to move."""
        return sum(self.sizes.get(oid, 0) for oid in self.missing)


def by_remote(outputs: list[Output], remote: str | None) -> list[tuple[str | None, list[Output]]]:
    """Groups outputs by their remote; DVC leaves out outputs that have a different one of their
    own.
    """
    groups: dict[str | None, list[Output]] = {}
    for output in outputs:
        if not (remote and output.remote and output.remote != remote):
            groups.setdefault(output.remote or remote, []).append(output)
    return list(groups.items())


def plan_push(repo: Any, remote: str | None, outputs: list[Output]) -> TransferPlan:
    """Compares the outputs' objects with what the remote lists. The bytes of a remote on this
    machine are read: it has no hashes, and a damaged object may have the right size.

    Raises:
        ConnectionError: the remote has the list of an output's files, but did not send it.
    """
    odb = repo.cloud.get_remote_odb(remote, "push")
    held = list_remote(odb)
    plan = TransferPlan(odb)
    for output in outputs:
        objects = objects_of(output, remote)
        if odb.fs.protocol == "local":
            held |= {oid: hashed(held[oid]) for oid in objects or (output.oid,) if oid in held}
        there = held.get(output.oid)
        if objects is None and there and there.md5 and not there.differs(output.oid, None):
            raise ConnectionError(f"the list of the files of {output.path} did not come")
        if objects is None:
            plan.lost[output.oid] = output.path
            continue
        here = cached_sizes(repo, objects)
        for oid, path in objects.items():
            if oid in held and not held[oid].differs(oid, here.get(oid)):
                continue
            if oid not in here:
                plan.lost[oid] = path
                continue
            plan.missing[oid] = path
            plan.sizes[oid] = here[oid]
            if oid in held:
                plan.damaged[oid] = held[oid]
            elif output.oid in held:
                plan.hidden.append(oid)
    return plan


def plan_pull(repo: Any, remote: str | None, outputs: list[Output]) -> TransferPlan:
    """Returns what the cache lacks; a `.dir` object names files without sizes, so each counts as
    its share of the total in dvc.lock.
    """
    plan = TransferPlan(repo.cloud.get_remote_odb(remote, "pull"))
    for output in outputs:
        objects = objects_of(output, remote)
        if objects is None:
            plan.unlisted.append(output.oid)
            objects = {output.oid: output.path}
        here = cached_sizes(repo, objects)
        missing = {oid: path for oid, path in objects.items() if oid not in here}
        left = max(0, output.size - sum(here[oid] for oid in here if oid != output.oid))
        plan.missing |= missing
        plan.sizes |= {oid: left // len(missing) for oid in missing}
    return plan


def refuse_lost(plans: list[TransferPlan]) -> None:
    """Raises a UserError if neither side has an object whole: DVC only warns and exits with 0."""
    lost = {oid: path for plan in plans for oid, path in plan.lost.items()}
    if not lost:
        return
    names = sorted(set(lost.values()))
    raise UserError(
        f"{len(lost)} objects are not here, and missing or damaged on the remote: "
        f"{', '.join(names[:3])}"
        f"{' and others' if len(names) > 3 else ''}. Make them again with `dvc repro`, or get "
        "them from a remote that has them (`share pull --remote ...`), and push again."
    )


def with_paths(failure: Failure, plans: list[TransferPlan]) -> Failure:
    """Returns a failure with a file's name in place of an object's, and with the folder if the
    remote is on this machine: a friend's clone may have it, though nobody pushed to it.
    """
    if failure.kind != "missing":
        return failure
    found = OBJECT_PATH.search(failure.found)
    oid = "".join(found.groups()) if found else ""
    for plan in plans:
        if oid in plan.missing:
            failure = Failure(failure.kind, f"{plan.missing[oid]} is not on the remote ({oid})")
        if plan.odb.fs.protocol == "local":
            place = Path(plan.odb.path).parents[1]
            hint = "a folder on this machine; `share setup` connects to Google Drive instead"
            return Failure(failure.kind, f"{failure.found}. The remote is {place}, {hint}")
    return failure
