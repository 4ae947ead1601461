"""How this project compiles a loop over bytes or ids: with numba, to machine code that runs without
the interpreter's lock.

A kernel takes numbers and numpy arrays only. It is compiled at its first call, kept in __pycache__,
and loaded from there by every later process. numba takes half a second to import, so a module with
kernels is imported where it is used.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba

Integer: TypeAlias = Any  # in a kernel: int, int64 or uint64, which numba converts and mypy doesn't
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compiles a function; called by another kernel, it costs no call."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
