import errno
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from tohum.shortages import told_shortage

FULL = Path("/dev/full")
DEV_FULL = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


def told(work: Callable[[], object]) -> str | None:
    """What is said of the exception that something ends with."""
    with pytest.raises(Exception) as caught:
        work()
    return told_shortage(caught.value, "`dvc repro`")


def raising(error: Exception) -> Callable[[], object]:
    def work() -> None:
        raise error

    return work


def save_by_torch() -> None:
    with FULL.open("wb", buffering=0) as file:
        torch.save({"weight": torch.ones(100_000)}, file)


def write_by_python() -> None:
    with FULL.open("wb", buffering=0) as file:
        file.write(b"x")


@DEV_FULL
@pytest.mark.parametrize("write", [save_by_torch, write_by_python])
def test_a_full_disk_is_told_whoever_writes(write: Callable[[], object]) -> None:
    message = told(write)
    assert message is not None
    assert message.startswith("the disk is full")
    assert "`dvc gc -w`" in message
    assert message.endswith("run `dvc repro` again; what is finished is kept.")


def test_a_full_disk_is_told_in_the_words_of_safetensors(tmp_path: Path) -> None:
    with pytest.raises(SafetensorError, match=r"\(os error 2\)") as missing:
        save_file({"weight": torch.ones(1)}, tmp_path / "no" / "file")
    assert told_shortage(missing.value, "x") is None
    full = str(missing.value).replace("(os error 2)", "(os error 28)")
    assert (told(raising(SafetensorError(full))) or "").startswith("the disk is full.")


def test_a_full_disk_names_the_file() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "data/x.bin")
    assert (told(raising(error)) or "").startswith("the disk is full while writing data/x.bin.")


@pytest.mark.parametrize(
    "work",
    [
        lambda: bytearray(1 << 60),
        lambda: numpy.ones(1 << 57),
        lambda: torch.empty(1 << 58),
        raising(OSError(errno.ENOMEM, "Cannot allocate memory")),
        raising(BrokenExecutor("a worker ended")),
        raising(torch.OutOfMemoryError("CUDA out of memory.")),
    ],
)
def test_too_little_memory_is_told_with_what_to_do(work: Callable[[], object]) -> None:
    message = told(work)
    assert message is not None
    assert message.startswith("there is not enough memory (")
    assert "`workers` in conf/runtime.yaml" in message
    assert "\n" not in message


def test_what_it_was_raised_from_counts_unless_it_is_suppressed() -> None:
    def wrapped(suppressed: bool) -> None:
        try:
            raise MemoryError
        except MemoryError as error:
            raise ValueError("a") from (None if suppressed else error)

    assert told(lambda: wrapped(False)) is not None
    assert told(lambda: wrapped(True)) is None


@pytest.mark.parametrize(
    "error", [ValueError("memory"), OSError(errno.EIO, "Input/output error"), RuntimeError("x")]
)
def test_any_other_error_says_nothing_of_the_kind(error: Exception) -> None:
    assert told(raising(error)) is None
