"""What a node needs for a stage's tasks: the same code, the same Python, the same files, some room.

Every process that is to do tasks checks this before its first one, in about 0.1 s, so a node that
joins later is checked too. A problem is a sentence that says what is different and how to mend it.
"""

import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tohum.dependencies import PACKAGES, PROJECT, is_code
from tohum.errors import UserError
from tohum.files import SYNC, WRITER
from tohum.shortages import is_full

TOKEN = "token"
TRIAL_BYTES = 1 << 20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # of Linux
LEAST_FREE = 64 << 20
CONSTRAINED = 'python -m pip install -c constraints.txt -e ".[cluster]"'


@dataclass(frozen=True)
class Site:
    """Where a stage runs, as its own process sees it, and what has to be the same on every node.

    Attributes:
        code: the folder with the packages `stages` and `tohum`, and the hash of their files.
        code_sha256: the hash of their files.
        folder: the current folder, the project's root.
        shared: a folder of the stage, in which `token` is.
        token: what every node has to read there.
        python: major and minor version.
        packages: the versions of the project's dependencies.
        environment: variables that say where the project keeps its files.
        boot: identifies the boot of the machine that the stage's own process runs on, if all
            nodes are on that one; otherwise "".
    """

    code: str
    code_sha256: str
    folder: str
    shared: str
    token: str
    python: tuple[int, int]
    packages: dict[str, str] = field(repr=False)
    environment: dict[str, str]
    boot: str = field(repr=False)


def site_of(shared: Path, one_machine: bool = False) -> Site:
    """Returns this process's own site, after writing its token to the folder `shared`.

    Args:
        shared: a folder that all nodes see.
        one_machine: whether all nodes are on this process's machine.
    """
    token = secrets.token_hex(8)
    shared.mkdir(parents=True, exist_ok=True)
    (shared / TOKEN).write_text(token)
    return Site(
        str(PROJECT),
        code_hash(PROJECT),
        str(Path.cwd()),
        str(shared),
        token,
        sys.version_info[:2],
        package_versions(),
        {name: os.environ[name] for name in ("DVC_ROOT",) if name in os.environ},
        boot_id() if one_machine else "",
    )


def boot_id() -> str:
    """Returns what all processes of this machine have in common until it is started again; ""
    where that is not known.
    """
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def code_hash(root: Path) -> str:
    """Returns a hash of all code below `root`, in the packages of the project."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted(filter(is_code, (root / package).rglob("*"))):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that the project needs; none if it is not installed."""
    try:
        required = metadata.requires("tohum") or []
    except metadata.PackageNotFoundError:
        return {}
    names = (re.match(r"[\w.-]+", line) for line in required if "extra ==" not in line)
    return {found[0]: _version(found[0]) for found in names if found}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def problem_here(site: Site) -> str | None:
    """Returns what keeps this process from doing tasks of a site, or None."""
    return (
        _problem_of_python(site)
        or _problem_of_files(site)
        or _problem_of_code(site)
        or _problem_of_packages(site)
        or _problem_of_room(Path(site.shared))
        or _problem_of_room(Path(tempfile.gettempdir()))
    )


def _problem_of_python(site: Site) -> str | None:
    here, there = sys.version_info[:2], site.python
    if here == there:
        return None
    return (
        f"it has Python {here[0]}.{here[1]}, and the stage runs on {there[0]}.{there[1]}. Start "
        f"Ray there from the project's own .venv, made with Python {there[0]}.{there[1]}."
    )


def _problem_of_files(site: Site) -> str | None:
    for folder in (site.code, site.folder, site.shared):
        if not Path(folder).is_dir():
            return (
                f"it does not see {folder}. Mount the file system that has the project there, at "
                "the same path as here."
            )
    try:
        found = Path(site.shared, TOKEN).read_text()
    except OSError:
        found = ""
    if found == site.token:
        return None
    return (
        f"its {site.shared} is not the folder that the stage writes to. Put the project on a file "
        "system that all nodes share, at the same path."
    )


def _problem_of_code(site: Site) -> str | None:
    if PROJECT.samefile(site.code):
        if code_hash(PROJECT) == site.code_sha256:
            return None
        return f"the code in {site.code} is another version there. Wait until it is the same."
    return (
        f"it runs the code in {PROJECT}, and the stage that in {site.code}. Start Ray there from "
        f"the project's own .venv, or install it: {CONSTRAINED}"
    )


def _problem_of_packages(site: Site) -> str | None:
    here = package_versions()
    other = [
        f"{name} {here.get(name, 'none')}, expected {version}"
        for name, version in site.packages.items()
        if here.get(name) != version
    ]
    if not other:
        return None
    return f"it has other packages: {'; '.join(other)}. Install them there: {CONSTRAINED}"


def _problem_of_room(folder: Path) -> str | None:
    """Tries to write to a folder: a quota, or a read-only file system, shows in no figure."""
    trial = folder / f"trial-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with trial.open("wb") as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        if is_full(error):
            free = 0
        else:
            return f"it can't write to {folder} ({error.strerror}). Give its user the right to."
    finally:
        trial.unlink(missing_ok=True)
    if free < LEAST_FREE:
        return f"the disk of {folder} is full there ({free >> 20} MiB free). Free some space."
    return None


def disk_full(node: str, error: OSError) -> str:
    """Returns the message for a disk that was full when a task wrote to it."""
    where = f", while it wrote {error.filename}" if error.filename else ""
    return (
        f"a disk of the node {node} is full{where}. Free some space there and run `dvc repro` "
        "again; what is finished is kept."
    )


_at_once = 1


def tasks_at_once() -> int:
    """Returns how many tasks like this process's may run on its node at a time."""
    return _at_once


def share_node(tasks: int) -> None:
    """Notes that so many tasks may run on this process's node at a time."""
    global _at_once  # noqa: PLW0603  # a process is on one node
    _at_once = max(1, tasks)


_entered: Site | None = None


def enter(site: Site) -> None:
    """Makes this process one that does tasks of a site: checks it, and takes its folder.

    What it writes is synced, unless all nodes are on the machine of the stage's own process: if
    that one crashes, nobody goes on with what was lost, and a later run notices it.

    Raises:
        UserError: it can't.
    """
    global _entered  # noqa: PLW0603  # a process is in one place
    if _entered == site:
        return
    os.environ.update(site.environment)
    problem = problem_here(site)
    if problem:
        raise UserError(problem)
    os.chdir(site.folder)
    os.environ[WRITER] = f".{secrets.token_hex(8)}"
    if site.boot and site.boot == boot_id():
        os.environ.pop(SYNC, None)
    else:
        os.environ[SYNC] = "1"
    _entered = site
