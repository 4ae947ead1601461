"""submitit with its executor `local`: each job is a process of this machine."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.tohum.cluster.shards import job, numbered
from tohum.cluster.slurm_jobs import run_on_slurm
from tohum.errors import UserError
from tohum.progress import progress_bar

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sbatch") is not None, reason="jobs would go to this machine's Slurm"
    ),
]


def results(folder: Path, values: list[Any], cluster: str = "local") -> list[Any]:
    with progress_bar("test", "B", False) as bar:
        tasks = iter(numbered(values))
        return list(run_on_slurm(job(folder / "work", str(folder)), tasks, 1, bar, cluster))


def test_results_are_in_order_and_a_job_does_several_tasks(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    assert results(tmp_path, list(range(10))) == [value * value for value in range(10)]
    assert len(list((tmp_path / "work/slurm").glob("*.batch"))) == 4


def test_a_job_that_died_is_done_again(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    assert results(tmp_path, [1, ("kills_its_process_once", "a"), 3]) == [1, "a", 9]


def test_a_task_that_ends_its_job_three_times_is_named(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with pytest.raises(UserError, match=r"shard 1 ended its Slurm job 3 times"):
        results(tmp_path, [1, ("kills_its_process", "a"), 3])


def test_the_error_of_a_task_is_the_stage_s(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with pytest.raises(UserError, match=r"^part-7 is not what it should be\.$"):
        results(tmp_path, [1, ("fails", "part-7")])


def test_a_machine_without_slurm_is_told_where_to_run(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with pytest.raises(UserError, match=r"this machine has no `sbatch`"):
        results(tmp_path, [1], "slurm")
