"""`verify --here`: checks every byte on this machine, in the outputs and in DVC's cache.

DVC trusts a file whose size, time and inode are those that it knows, and a read-only object. So it
sees neither a bit that has flipped on the disk nor a file edited in place; and a hard-linked output
and its object are one file, damaged together.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.commands.printing import size_of, tell, tell_visibly, visible
from tohum.commands.share.object_hashes import md5_of, md5s, named_by
from tohum.commands.share.outputs import open_repo, shared_outputs
from tohum.errors import UserError
from tohum.progress import progress_bar
from tohum.translation import translated_label

DAMAGED, MISSING, EXTRA = "damaged", "missing", "extra"


@dataclass(frozen=True)
class ExpectedFile:
    """A file and the MD5 that it should have; `in_git` if git keeps it, not DVC."""

    path: Path
    md5: str
    in_git: bool = False


@dataclass(frozen=True)
class Damage:
    """A file that is not what dvc.lock or an object's name says."""

    kind: str
    place: ExpectedFile


def verify_here(targets: Sequence[str], delete: bool) -> int:
    """Prints every fault of what the targets name, or of everything, and what was checked.

    Args:
        delete: whether to delete what is damaged, so that DVC gets it again.

    Raises:
        UserError: there are faults; the message says what to do.
    """
    with open_repo() as repo:
        root = Path(repo.root_dir)
        places, faults, absent = _outputs(repo, targets)
        wanted = {place.md5 for place in places} if targets else None
        places = list({place.path: place for place in (*places, *_objects(repo, wanted))}.values())
    found = _hashed(places)
    faults += [
        Damage(DAMAGED if place.path.exists() else MISSING, place)
        for place in places
        if found.get(place.path) != place.md5
    ]
    for name in absent:
        tell_visibly(f"not here  {name}")
    for fault in faults:
        print(visible(f"{translated_label(fault.kind):9} {_relative(fault.place.path, root)}"))
    if not faults:
        size = sum(path.stat().st_size for path in found)
        tell(f"All {len(found)} files here are right, {size_of(size)}, compared by MD5.")
        return 0
    damaged = {fault.place.path for fault in faults if fault.kind == DAMAGED}
    if delete:
        for path in damaged - {fault.place.path for fault in faults if fault.place.in_git}:
            path.unlink(missing_ok=True)
    raise UserError(_advice(faults, delete))


def _advice(faults: list[Damage], deleted: bool) -> str:
    kinds = {fault.kind for fault in faults if not fault.place.in_git}
    said = [f"{len(faults)} files here are not what dvc.lock, or their name in the cache, says."]
    if DAMAGED in kinds and not deleted:
        said.append(
            "`tohum share verify --here --delete` deletes the damaged ones, which DVC would keep "
            "and share."
        )
    if kinds & {DAMAGED, MISSING}:
        said.append(
            "Then `tohum share pull` fetches them from the remote; what it doesn't have, `dvc "
            "repro` makes again."
        )
    if EXTRA in kinds:
        said.append("Move the extra ones away: a stage may read them.")
    if any(fault.place.in_git for fault in faults):
        said.append("`git restore` brings back a file that git has.")
    return " ".join(said)


def _outputs(
    repo: Any, targets: Sequence[str]
) -> tuple[list[ExpectedFile], list[Damage], list[str]]:
    """Returns the files that the outputs here should have, the faults that need no hash, and the
    outputs that are not here.
    """
    outs = {output.path: output.out for output in shared_outputs(repo, targets)}
    if not targets:
        for out in repo.index.outs:
            if not out.use_cache and out.hash_info:
                outs[out.def_path] = out
    places: list[ExpectedFile] = []
    faults: list[Damage] = []
    absent = []
    for name, out in sorted(outs.items()):
        path, oid = Path(out.fs_path), out.hash_info.value
        if not path.exists():
            absent.append(name)
        elif not oid.endswith(".dir"):
            places.append(ExpectedFile(path, oid, not out.use_cache))
        else:
            listing = ExpectedFile(Path(out.cache.oid_to_path(oid)), named_by(oid))
            places.append(listing)
            if md5_of(listing.path) != listing.md5:
                continue
            entries = json.loads(listing.path.read_bytes())
            expected = {path / entry["relpath"]: entry["md5"] for entry in entries}
            places += [ExpectedFile(file, md5) for file, md5 in expected.items()]
            there = map(Path, repo.dvcignore.find(repo.fs, str(path)))
            faults += [
                Damage(EXTRA, ExpectedFile(file, "")) for file in there if file not in expected
            ]
    return places, faults, absent


def _objects(repo: Any, wanted: set[str] | None) -> Iterator[ExpectedFile]:
    """Yields the objects in the cache, all or those of these MD5s."""
    odb = repo.cache.local
    for file in map(Path, odb.fs.find(odb.path) if odb.fs.exists(odb.path) else ()):
        md5 = named_by(file.parent.name + file.name)
        if len(md5) == 32 and (wanted is None or md5 in wanted):
            yield ExpectedFile(file, md5)


def _hashed(places: Iterable[ExpectedFile]) -> dict[Path, str | None]:
    paths = [place.path for place in places]
    with progress_bar("verify", "B", sys.stderr.isatty(), unit_scale=True) as bar:
        return md5s(paths, bar.update)


def _relative(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
