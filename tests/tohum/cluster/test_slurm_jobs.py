"""submitit with its executor `local`: each job is a process of this machine."""

import shutil
from pathlib import Path
from types import SimpleNamespace
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


class FakeJob:
    """A job of a cluster that never runs it: it ends as its state says."""

    def __init__(self, id: str, state: str, folder: Path) -> None:
        self.job_id, self.state = id, state
        self.cancelled = False
        self.paths = SimpleNamespace(stderr=folder / id)

    def result(self) -> Any:
        from submitit.core.utils import UncompletedJobError

        if self.state == "RUNNING":
            raise KeyboardInterrupt
        raise UncompletedJobError(self.state)

    def cancel(self, check: bool = True) -> None:
        self.cancelled = True


def test_a_job_that_took_the_place_of_a_lost_one_is_cancelled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    jobs: list[FakeJob] = []

    class Executor:
        def __init__(self, **_: Any) -> None: ...

        def update_parameters(self, **_: Any) -> None: ...

        def map_array(self, _: Any, batches: list[Any]) -> list[FakeJob]:
            jobs.extend(FakeJob(f"1_{number}", "NODE_FAIL", tmp_path) for number in range(2))
            return jobs[: len(batches)]

        def submit(self, *_: Any) -> FakeJob:
            jobs.append(FakeJob("2", "RUNNING", tmp_path))
            return jobs[-1]

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    with pytest.raises(KeyboardInterrupt):
        results(tmp_path, [1, 2])
    assert [job.job_id for job in jobs if job.cancelled] == ["1_1", "2"]
    noted = (tmp_path / "work/slurm/jobs.txt").read_text().split()
    assert noted == ["1_0", "1_1", "2"]


def test_the_error_of_a_task_is_the_stage_s(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with pytest.raises(UserError, match=r"^part-7 is not what it should be\.$"):
        results(tmp_path, [1, ("fails", "part-7")])


def test_a_machine_without_slurm_is_told_where_to_run(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    with pytest.raises(UserError, match=r"this machine has no `sbatch`"):
        results(tmp_path, [1], "slurm")
