"""How this project compiles a loop over bytes or ids: with numba, to machine code that runs without
the interpreter's lock.

A kernel takes numbers and numpy arrays only. It is compiled at its first call, kept in
`.work/numba/<hash of all kernels>/`, and loaded from there by every later process. numba itself
asks only whether the kernel's own file has changed, not those of the kernels that it calls; hence
the hash. numba takes half a second to import, so a module with kernels is imported where it is
used.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba

PACKAGE = Path(__file__).parent

Integer: TypeAlias = Any  # in a kernel: int, int64 or uint64, which numba converts and mypy doesn't
Function = TypeVar("Function", bound=Callable[..., Any])


def cache_folder() -> Path:
    """Returns where compiled kernels are kept; another one once any file with kernels changes."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        if b"kernel" in content:
            digest.update(content)
    return PACKAGE.parent / ".work" / "numba" / digest.hexdigest()[:16]


if os.access(PACKAGE.parent, os.W_OK):
    numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]


def kernel(function: Function) -> Function:
    """Compiles a function; called by another kernel, it costs no call."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
