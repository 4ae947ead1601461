"""How this project compiles a loop over bytes or ids: with numba, to machine code that runs without
the interpreter's lock.

A kernel takes numbers, numpy arrays, and named tuples of these, which cost a call between kernels
no more than their parts do. A call from Python is another matter: with six arrays it takes 0.4 us,
with two plain tuples of three 0.8, with two named tuples 2.4. So what is called for each text has
plain tuples, and makes the named ones. A kernel is compiled at its first call, kept in
`.work/numba/<hash of all kernels>/`, and loaded from there by every later process: also by those of
DVC's temporary experiments, which have another folder of code but share `.work`. numba itself asks
only whether the kernel's own file has changed, not those of the kernels that it calls; hence the
hash. The kernels of other versions of the code are deleted once they are QUIET_SECONDS old. numba
takes half a second to import, so a module with kernels is imported where it is used.

Two interfaces here are numba's own, without a promise, and tests/tohum/kernels/test_compilation.py
watches them: CacheLocator (test_a_temporary_experiment_finds_what_the_project_has_compiled) and the
flag `_nrt` (test_a_kernel_counts_no_references).
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core.caching import UserProvidedCacheLocator

PROJECT = Path(__file__).parents[2]
PACKAGES = ("stages", "tohum")
COMPILED: dict[str, Any] = {"cache": True, "nogil": True}
# `_nrt` is numba's own name for the counting of references, pinned with its version: without it a
# kernel would be slower and just as correct.
UNCOUNTED: dict[str, Any] = {**COMPILED, "_nrt": False}

# A process that has just begun with older code may still be writing the kernels that it compiles.
QUIET_SECONDS = 3600

Integer: TypeAlias = Any  # in a kernel: int, int64 or uint64, which numba converts and mypy doesn't
Function = TypeVar("Function", bound=Callable[..., Any])


def cache_folder() -> Path:
    """Returns where compiled kernels are kept; another one once a file changes that stands beside
    one with kernels: it may have a constant of theirs.
    """
    paths = sorted(path for name in PACKAGES for path in (PROJECT / name).rglob("*.py"))
    folders = {
        path.parent
        for path in paths
        if b"from tohum.kernels.compilation import" in path.read_bytes()
    }
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in paths:
        if path.parent in folders:
            digest.update(path.read_bytes())
    root = Path(os.environ.get("DVC_ROOT") or PROJECT)
    return root / ".work" / "numba" / digest.hexdigest()[:16]


class CacheLocator(UserProvidedCacheLocator):
    """Where in that folder the kernels of a module are: by its place in the package, where numba's
    own locators go by the place of the package on this machine.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Returns the part of the path that is the module's."""
        return "-".join(
            Path(py_file).resolve().relative_to(PROJECT.resolve()).with_suffix("").parts
        )


def drop_others(folder: Path, now: float) -> None:
    """Deletes the folders beside `folder` to which nothing was added for QUIET_SECONDS.

    A process that uses such a folder loses nothing: kernels are read whole when they are loaded,
    and what isn't there is compiled anew. A file that can't be deleted, as one that is open on
    Windows, stays until the next time.
    """
    for other in folder.parent.glob("*"):
        try:
            if other != folder and other.stat().st_mtime < now - QUIET_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
        except OSError:  # another process deletes it at this moment
            continue


if os.access(PROJECT, os.W_OK):
    KERNELS = cache_folder()
    drop_others(KERNELS, time.time())
    numba.config.CACHE_DIR = str(KERNELS)  # type: ignore[attr-defined]
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.CacheLocator"  # type: ignore[attr-defined]


def kernel(function: Function) -> Function:
    """Compiles a function that makes no array, not even by assigning one slice to another.

    So no reference to an array is counted, which cores must agree on each time: the search for a
    pretoken's end takes 13 ns where it took 29.
    """
    return cast(Function, numba.njit(**UNCOUNTED)(function))


def inlined(function: Function) -> Function:
    """Compiles such a function to be a part of each kernel that calls it, however long it is: a
    call passes each array as seven numbers.
    """
    return cast(Function, numba.njit(**UNCOUNTED, forceinline=True)(function))


def allocating(function: Function) -> Function:
    """Compiles a function that makes arrays, or calls another that does."""
    return cast(Function, numba.njit(**COMPILED)(function))
