import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.pretokens import counter
from tests.conftest import PROJECT
from tohum.kernels.compilation import QUIET_SECONDS, CheckedFiles, drop_others

pytestmark = pytest.mark.slow


SEARCH = """
from stages.pretokens.counter import prefix_of
print(prefix_of(7, 8), sum(prefix_of.stats.cache_hits.values()), prefix_of.__code__.co_filename)
"""


def search(root: Path, dvc_root: Path) -> tuple[str, int, str]:
    """Runs a kernel from the code in `root`: the result, whether it was compiled before, and from
    which file it is.
    """
    done = subprocess.run(
        [sys.executable, "-c", SEARCH],
        cwd=root,
        env={**os.environ, "DVC_ROOT": str(dvc_root), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    result, hits, path = done.stdout.split()
    return result, int(hits), path


def test_a_temporary_experiment_finds_what_the_project_has_compiled(tmp_path: Path) -> None:
    for name in ("project", "experiment"):
        for package in ("stages", "tohum"):
            shutil.copytree(
                PROJECT / package,
                tmp_path / name / package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
    project, experiment = tmp_path / "project", tmp_path / "experiment"
    compiled, hits, path = search(project, project)
    assert hits == 0
    assert path.startswith(str(project))
    again, hits, path = search(experiment, project)
    assert (again, hits) == (compiled, 1)
    assert path.startswith(str(experiment))
    constants = experiment / "tohum/pretokenization/automaton.py"
    constants.write_text(constants.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert search(experiment, project)[1] == 0, "a constant of a kernel may have changed"


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "zeros"])
def test_a_damaged_kernel_is_compiled_again(suffix: str, damage: str, tmp_path: Path) -> None:
    checked: Any = CheckedFiles
    files = checked(str(tmp_path), "kernel", source_stamp=1)
    files.save("signature", ("machine code", b"\x90" * 100))
    assert files.load("signature") is not None
    (path,) = tmp_path.glob(f"*.{suffix}")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        content = bytearray(whole)
        content[place] ^= 4
        found = {"flip": bytes(content), "cut": whole[:place], "empty": b""}
        path.write_bytes(found.get(damage, bytes(len(whole))))
        assert files.load("signature") is None
    files.save("signature", "compiled again")
    assert files.load("signature") == "compiled again"


def test_numba_writes_checked_files() -> None:
    """Through numba's own name for the class, as its caches are made."""
    kernels: list[Any] = [counter.prefix_of, counter.compare]
    caches = [kernel._cache._cache_file for kernel in kernels]
    assert all(isinstance(files, CheckedFiles) for files in caches)
    paths = Path(str(caches[0]._cache_path)).glob("*.nb[ic]")
    assert all(
        hashlib.sha256(data[:-32]).digest() == data[-32:] for data in map(Path.read_bytes, paths)
    )


def test_kernels_of_other_code_are_deleted_when_they_are_old(tmp_path: Path) -> None:
    now = 1e9
    for name, age in (("old", 2 * QUIET_SECONDS), ("new", 10), ("own", 3 * QUIET_SECONDS)):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "kernel.nbc").write_bytes(b"compiled")
        os.utime(tmp_path / name, (now - age, now - age))
    drop_others(tmp_path / "own", now)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "own"]
    drop_others(tmp_path / "nowhere" / "own", now)


def test_a_process_survives_the_loss_of_its_kernels(tmp_path: Path) -> None:
    lose = f"import shutil; shutil.rmtree({str(tmp_path / '.work' / 'numba')!r})"
    code = "from stages.pretokens.counter import compare, prefix_of; import numpy\n"
    code += f"print(prefix_of(7, 8)); {lose}\n"
    code += "a = numpy.zeros(9, numpy.uint8); print(compare(a, 0, 9, a, 0, 9))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DVC_ROOT": str(tmp_path), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "0"


@pytest.mark.parametrize(("options", "compiles"), [("UNCOUNTED", False), ("COMPILED", True)])
def test_a_kernel_counts_no_references(tmp_path: Path, options: str, compiles: bool) -> None:
    """With the counting on, it could make an array. In a process of its own: numba remembers what
    it has compiled for others.
    """
    code = f"""
import numba, numpy
from tohum.kernels.compilation import {options}
print(numba.njit(lambda size: numpy.zeros(size), **{options} | dict(cache=False))(3))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DVC_ROOT": str(tmp_path), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == compiles, done.stderr
    assert compiles or "Only accept returning of array passed" in done.stderr
