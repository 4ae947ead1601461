"""status, verify and list: compares what is here with a listing of the remote.

Only `.dir` objects that this machine's cache lacks are downloaded: small lists of a folder's files.
"""

import os
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tohum.commands.printing import aligned, size_of, tell, tell_visibly, visible
from tohum.commands.share.drive import with_fixes
from tohum.commands.share.failures import recognise
from tohum.commands.share.listing import Held, hashed, list_remote
from tohum.commands.share.outputs import Output, cached_sizes, objects_of, open_repo, shared_outputs
from tohum.errors import UserError
from tohum.translation import translated_label

TRIES = 5
SILENCE_SECONDS = 60.0
MOST_PRINTED = 10
WIDTH = 200


@dataclass
class Comparison:
    """One output's objects: which are here (with their size), and which the remote has.

    `objects` is None if neither side has the `.dir` object that names them.
    """

    output: Output
    objects: dict[str, str] | None
    here: dict[str, int]
    held: dict[str, Held]

    @property
    def missing(self) -> dict[str, str]:
        """What the remote does not have."""
        objects = self.objects or {self.output.oid: self.output.path}
        return {oid: path for oid, path in objects.items() if oid not in self.held}

    @property
    def damaged(self) -> dict[str, str]:
        """What the remote has with another size or MD5 than its name says."""
        return {
            oid: path
            for oid, path in (self.objects or {}).items()
            if oid in self.held and self.held[oid].differs(oid, self.here.get(oid))
        }


def overview(command: str, targets: Sequence[str], remote: str | None) -> int:
    """Prints what a command finds and returns the exit code: 1 if verify finds a fault."""
    os.environ["GDRIVE_NON_INTERACTIVE"] = "1"
    socket.setdefaulttimeout(SILENCE_SECONDS)
    with with_fixes(), open_repo() as repo:
        outputs = shared_outputs(repo, targets)
        compared, held, local = compare(repo, outputs, remote)
    if command == "status":
        return _status(compared)
    if command == "list":
        return _list(compared, held)
    return _verify(compared, local)


def compare(
    repo: Any, outputs: list[Output], remote: str | None
) -> tuple[list[Comparison], dict[str, Held], bool]:
    """Lists the remotes of the outputs and compares.

    Returns:
        A comparison for each output, everything that the remotes have, and whether they are folders
        on this machine.
    """
    lists: dict[str | None, dict[str, Held]] = {}
    compared, local = [], True
    for output in outputs:
        place = output.remote or remote
        odb = repo.cloud.get_remote_odb(place, "status")
        if place not in lists:
            lists[place] = _listed(odb)
        local = local and odb.fs.protocol == "local"
        objects = objects_of(output, remote)
        here = cached_sizes(repo, objects or ())
        asked = objects or (output.oid,)
        held = {oid: lists[place][oid] for oid in asked if oid in lists[place]}
        compared.append(Comparison(output, objects, here, held))
    return compared, {oid: each for held in lists.values() for oid, each in held.items()}, local


def _listed(odb: Any) -> dict[str, Held]:
    """Lists a remote, and tries again if that may help."""
    for tried in range(1, TRIES):
        try:
            return list_remote(odb)
        except Exception as error:
            if not recognise(error).transient:
                raise
            time.sleep(2 ** (tried - 1) * random.uniform(0.5, 1))
    return list_remote(odb)


def _status(compared: list[Comparison]) -> int:
    rows = [("output", "size", "here", "on the remote")]
    for each in compared:
        total = len(each.objects or {each.output.oid: ""})
        there = total - len(each.missing | each.damaged)
        rows.append((*_named(each.output), _share(len(each.here), total), _share(there, total)))
    _print_table(rows)
    up = {
        oid: each.here[oid]
        for each in compared
        for oid in each.missing | each.damaged
        if oid in each.here
    }
    down = {
        oid: each.held[oid].size or 0
        for each in compared
        for oid in each.held
        if oid not in each.here and oid not in each.damaged
    }
    tell(
        f"push would upload {len(up)} objects ({size_of(sum(up.values()))}), "
        f"pull would download {len(down)} ({size_of(sum(down.values()))})."
    )
    nowhere = {oid for each in compared for oid in each.missing if oid not in each.here}
    if nowhere:
        tell(f"{len(nowhere)} objects are on neither side: make them again with `dvc repro`.")
    return 0


def _list(compared: list[Comparison], held: dict[str, Held]) -> int:
    rows = [("output", "size", "files", "on the remote")]
    for each in compared:
        total = len(each.objects or {each.output.oid: ""})
        there = _share(total - len(each.missing), total)
        rows.append((*_named(each.output), str(each.output.files), there))
    _print_table(rows)
    sizes = {oid: each.size or 0 for oid, each in held.items()}
    ours = {oid for each in compared for oid in each.held}
    others = sum(size for oid, size in sizes.items() if oid not in ours)
    tell(
        f"The remote holds {len(sizes)} objects, {size_of(sum(sizes.values()))}; "
        f"{len(sizes) - len(ours)} of them, {size_of(others)}, are of other commits or outputs."
    )
    return 0


def _verify(compared: list[Comparison], local: bool) -> int:
    """Prints every fault, or what was proved and how."""
    if local:  # the bytes can be read here; a service would have to send them
        for each in compared:
            each.held = {oid: hashed(held) for oid, held in each.held.items()}
    faults = []
    for each in compared:
        faults += [f"missing  {path} ({oid})" for oid, path in each.missing.items()]
        faults += [f"damaged  {path} ({oid})" for oid, path in each.damaged.items()]
    for fault in faults[:MOST_PRINTED]:
        tell_visibly(fault)
    if len(faults) > MOST_PRINTED:
        tell(f"and {len(faults) - MOST_PRINTED} more")
    if faults:
        raise UserError(
            f"the remote lacks {len(faults)} objects, or has them damaged. `tohum share "
            "push` on a machine that has them uploads them again, even where dvc believes that "
            "they are there."
        )
    held = {oid: (one, each.here.get(oid)) for each in compared for oid, one in each.held.items()}
    size = sum(one.size or 0 for one, _ in held.values())
    tell(f"The remote holds all {len(held)} objects, {size_of(size)}; nothing was downloaded.")
    by_hash = sum(one.md5 is not None for one, _ in held.values())
    by_size = sum(one.md5 is None and None not in (one.size, here) for one, here in held.values())
    by_name = len(held) - by_hash - by_size
    tell(f"Compared by MD5: {by_hash}, by size: {by_size}, by name alone: {by_name}.")
    return 0


def _named(output: Output) -> tuple[str, str]:
    return visible(output.path), size_of(output.size)


def _share(part: int, total: int) -> str:
    said = "all" if part == total else f"{part} of {total} objects" if part else "no"
    return translated_label(said)


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    head = tuple(map(translated_label, rows[0]))
    for line in aligned([head, *rows[1:]], WIDTH, numbers=(1,)):
        print(line)
