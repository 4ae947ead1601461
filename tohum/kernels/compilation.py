"""Compiles loops over bytes or ids with numba, to machine code that runs without the GIL.

A kernel takes numbers, numpy arrays, and named tuples of these, which cost nothing extra in a call
between kernels. In a call from Python they do: six arrays take 0.4 us, two plain tuples of three
0.8, two named tuples 2.4. So kernels that are called once per text take plain tuples and build the
named ones themselves. A kernel is compiled at its first call, kept in `.work/numba/<hash of all
kernels>/`, and loaded from there by every later process, including those of DVC's temporary
experiments, which have their own copy of the code but share `.work`. numba only checks whether the
kernel's own file has changed, not the files of the kernels that it calls, so the hash covers them
all. The kernels of other versions of the code are deleted once they are QUIET_SECONDS old. numba
takes half a second to import, so a module with kernels is imported where it is used.

Each file of a kernel ends in its own SHA-256; a damaged one, whose machine code could do anything,
is compiled again.

Three interfaces used here are internal to numba, and tests/tohum/kernels/test_compilation.py guards
them: CacheLocator (test_a_temporary_experiment_finds_what_the_project_has_compiled), CheckedFiles
(test_a_damaged_kernel_is_compiled_again) and the flag `_nrt` (test_a_kernel_counts_no_references).
"""

import hashlib
import io
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
from numba.core import caching
from numba.core.caching import IndexDataCacheFile, UserProvidedCacheLocator

PROJECT = Path(__file__).parents[2]
PACKAGES = ("stages", "tohum")
COMPILED: dict[str, Any] = {"cache": True, "nogil": True}
# `_nrt` is numba's internal switch for reference counting; numba's version is pinned. Kernels would
# be slower with counting, but just as correct.
UNCOUNTED: dict[str, Any] = {**COMPILED, "_nrt": False}

# A process that just started with older code may still be writing the kernels that it compiles.
QUIET_SECONDS = 3600

log = logging.getLogger(__name__)

Integer: TypeAlias = Any  # in a kernel: int, int64 or uint64, which numba converts and mypy doesn't
Function = TypeVar("Function", bound=Callable[..., Any])


def cache_folder() -> Path:
    """Returns the folder of the compiled kernels. It changes with any file in a folder that has
    kernels, since that file may define a constant of theirs.
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
    """Places a module's kernels in that folder by its path in the package; numba's own locators go
    by the package's path on this machine.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Returns the module's part of the path."""
        return "-".join(
            Path(py_file).resolve().relative_to(PROJECT.resolve()).with_suffix("").parts
        )


class CheckedFiles(IndexDataCacheFile):
    """A kernel's files, each with its SHA-256 after what numba writes, which reads no further."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + hashlib.sha256(content.getvalue()).digest())

    def _load_index(self) -> Any:
        if not _is_intact(Path(self._index_path)):
            return {}
        return super()._load_index()  # type: ignore[no-untyped-call]

    def _load_data(self, name: str) -> Any:
        path = Path(self._cache_path, name)
        if not _is_intact(path):
            raise FileNotFoundError(path)  # for numba, it is not there
        return super()._load_data(name)  # type: ignore[no-untyped-call]


def _is_intact(path: Path) -> bool:
    """Whether a file is there and ends in the SHA-256 of what comes before."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    intact = hashlib.sha256(content[:-32]).digest() == content[-32:]
    if not intact:
        log.warning("%s was damaged after it was written: compiling again", path)
    return intact


def drop_others(folder: Path, now: float) -> None:
    """Deletes the folders next to `folder` to which nothing was added for QUIET_SECONDS.

    A process that uses such a folder loses nothing: kernels are read whole when they are loaded,
    and missing ones are compiled again. A file that can't be deleted, such as an open one on
    Windows, stays until the next time.
    """
    for other in folder.parent.glob("*"):
        try:
            if other != folder and other.stat().st_mtime < now - QUIET_SECONDS:
                shutil.rmtree(other, ignore_errors=True)
        except OSError:  # another process is deleting it
            continue


if os.access(PROJECT, os.W_OK):
    KERNELS = cache_folder()
    drop_others(KERNELS, time.time())
    numba.config.CACHE_DIR = str(KERNELS)  # type: ignore[attr-defined]
    caching.IndexDataCacheFile = CheckedFiles  # type: ignore[misc]
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.CacheLocator"  # type: ignore[attr-defined]


def kernel(function: Function) -> Function:
    """Compiles a function that creates no array, not even by assigning one slice to another.

    No references to arrays are counted, so cores need not agree on the counts: the search for a
    pretoken's end takes 13 ns instead of 29.
    """
    return cast(Function, numba.njit(**UNCOUNTED)(function))


def inlined(function: Function) -> Function:
    """Compiles such a function into each kernel that calls it, however long it is: a call would
    pass each array as seven numbers.
    """
    return cast(Function, numba.njit(**UNCOUNTED, forceinline=True)(function))


def allocating(function: Function) -> Function:
    """Compiles a function that creates arrays, or calls another that does."""
    return cast(Function, numba.njit(**COMPILED)(function))
