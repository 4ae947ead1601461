"""Checks what a pull has brought, and what a push would send: an object is named by its MD5.

DVC checks what it fetches only from a remote with the option `verify`, and then deletes a damaged
object without naming it. It uploads a damaged one without a look.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tohum.commands.share.failures import Failure
from tohum.commands.share.listing import hashed, list_remote
from tohum.commands.share.object_hashes import md5s, named_by
from tohum.commands.share.transfer_plans import TransferPlan
from tohum.errors import UserError


def drop_damaged(repo: Any, plan: TransferPlan) -> list[Failure]:
    """Deletes the objects of a plan that came damaged from the cache, and returns a failure for
    each.
    """
    cache = repo.cache.local
    places = {oid: Path(cache.oid_to_path(oid)) for oid in plan.missing}
    # what DVC has verified is right, or gone
    found = {} if plan.odb.verify else md5s(places.values())
    for oid, path in places.items():
        if path in found and found[path] != named_by(oid):
            path.unlink()
    return came_damaged(plan, [oid for oid, path in places.items() if not path.exists()])


def came_damaged(plan: TransferPlan, absent: Iterable[str]) -> list[Failure]:
    """Returns a failure for each object that the remote has, but that did not come whole."""
    absent = list(absent)
    held = list_remote(plan.odb) if absent else {}
    failures = []
    for oid in filter(held.__contains__, absent):
        there = hashed(held[oid]) if plan.odb.fs.protocol == "local" else held[oid]
        wrong = there.md5 is not None and there.md5 != named_by(oid)
        kind = "damaged" if wrong else "damaged on the way"
        failures.append(Failure(kind, f"{plan.missing[oid]} came damaged ({oid})"))
    return failures


def refuse_damaged(repo: Any, plans: Iterable[TransferPlan]) -> None:
    """Checks the objects that a push would upload.

    Raises:
        UserError: some are damaged; a right one on the remote would even be replaced.
    """
    missing = {oid: path for plan in plans for oid, path in plan.missing.items()}
    places = {Path(repo.cache.local.oid_to_path(oid)): oid for oid in missing}
    wrong = {places[path] for path, md5 in md5s(places).items() if md5 != named_by(places[path])}
    if wrong:
        names = ", ".join(sorted({missing[oid] for oid in wrong}))
        raise UserError(
            f"{len(wrong)} objects here are damaged, so nothing was uploaded: {names}. `tohum "
            "share verify --here --delete` deletes them; then `tohum share pull` or `dvc repro` "
            "replaces them."
        )
