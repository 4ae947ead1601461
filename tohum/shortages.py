"""Recognises in an exception, whichever library raised it, that the disk or the memory ran out.

safetensors raises an error of its own that only quotes the system's, torch.save raises one about a
wrong place in the file while it handles the system's, and PyTorch's allocators have two more.
"""

import errno
import re
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

LESS_MEMORY = (
    "Close other programs, lower `workers` in conf/runtime.yaml, or take less: fewer rows or files "
    "of the source, a smaller tokenizer.vocab_size, model or train.micro_batch_tokens."
)
FULL, ALL_USED = (errno.ENOSPC, errno.EDQUOT), (errno.ENOMEM,)
WINDOWS_FULL, WINDOWS_ALL_USED = (39, 112), (8, 14, 1455)
FULL_TEXT = re.compile(r"\(os error (28|39|112|122)\)")  # as Rust quotes errno and Windows' codes
ALL_USED_TEXT = re.compile(r"can't allocate memory|not enough memory|out of memory", re.I)


def told_shortage(error: BaseException, resume: str) -> str | None:
    """Returns what ran out and what to do, for a message; None if nothing did.

    Args:
        error: the exception; those that it was raised from or after count too.
        resume: the command that resumes the work.
    """
    for cause in _chain(error):
        if is_full(cause):
            name = getattr(cause, "filename", None)
            where = f" while writing {name}" if name else ""
            return (
                f"the disk is full{where}. Free some space (`dvc gc -w` drops old cached outputs, "
                f"deleting .work/ drops unfinished work) and run {resume} again; what is finished "
                "is kept."
            )
        if _is_all_used(cause):
            said = " ".join(str(cause).split()) or "Python could not get any more"
            return (
                f"there is not enough memory ({said}). {LESS_MEMORY} Then run {resume} again; what "
                "is finished is kept."
            )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk, or what its owner may have of it, is full."""
    if isinstance(error, OSError):
        return error.errno in FULL or getattr(error, "winerror", None) in WINDOWS_FULL
    return bool(FULL_TEXT.search(str(error)))


def _is_all_used(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in ALL_USED or getattr(error, "winerror", None) in WINDOWS_ALL_USED
    if isinstance(error, MemoryError | BrokenExecutor):  # a worker whose memory ends is killed
        return True
    return isinstance(error, RuntimeError) and bool(ALL_USED_TEXT.search(str(error)))
