import pytest

from tohum.commands.sweep.launchers import launcher_arguments, launcher_errors, launcher_of
from tohum.commands.sweep.overrides import parse

ROOM = "+hydra.launcher.ray.init.object_store_memory=null"


@pytest.mark.parametrize(
    ("given", "jobs", "added"),
    [
        ([], None, ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]),
        ([], 1, []),
        (["hydra/launcher=submitit_local"], None, ["hydra.sweeper.max_batch_size=2"]),
        (["hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=9"], 4, []),
        (["hydra/launcher=submitit_local", "hydra/sweeper=optuna"], 4, []),
        (["hydra/launcher=submitit_slurm"], None, []),
        (["hydra/launcher=submitit_slurm"], 4, ["hydra.launcher.array_parallelism=4"]),
        (["hydra/launcher=ray"], None, [ROOM]),
        (["hydra/launcher=ray"], 4, ["hydra.sweeper.max_batch_size=4", ROOM]),
        (["hydra/launcher=basic"], 4, []),
    ],
)
def test_a_launcher_is_told_how_many_points_run_at_once(
    given: list[str], jobs: int | None, added: list[str]
) -> None:
    assert launcher_arguments(parse(given), jobs, 2) == added


def test_the_errors_of_a_job_are_those_of_its_launcher() -> None:
    pytest.importorskip("submitit")
    arguments = ("--multirun", "hydra/launcher=submitit_slurm")
    assert launcher_of(arguments) == "submitit_slurm"
    assert {error.__name__ for error in launcher_errors(arguments)} == {
        "UncompletedJobError",
        "FailedJobError",
        "FailedSubmissionError",
    }
    assert launcher_errors(("--multirun",)) == ()
