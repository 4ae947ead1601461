import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

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
