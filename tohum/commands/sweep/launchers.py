"""Hydra's launchers, which run a sweep's points here or on other machines: limits and errors."""

from collections.abc import Iterable
from importlib import import_module

from hydra.core.override_parser.types import Override

LAUNCHER = "hydra/launcher"
OBJECT_STORE = "hydra.launcher.ray.init.object_store_memory"


def launcher_arguments(of_hydra: list[Override], jobs: int | None, default: int) -> list[str]:
    """Returns the arguments that make Hydra run several points at once.

    Args:
        of_hydra: the command line's own overrides of Hydra.
        jobs: as many as asked for; None if nobody has.
        default: as many as this machine runs at once if nobody asks.
    """
    given = {item.key_or_group: item.value() for item in of_hydra}
    if LAUNCHER not in given:
        at_once = jobs or default
        return [f"{LAUNCHER}=joblib", f"hydra.launcher.n_jobs={at_once}"] if at_once > 1 else []
    is_grid = given.get("hydra/sweeper", "basic") == "basic"  # a search has its own number of jobs
    key, limit = {
        "joblib": ("hydra.launcher.n_jobs", jobs),
        "submitit_local": ("hydra.sweeper.max_batch_size", (jobs or default) if is_grid else None),
        "submitit_slurm": ("hydra.launcher.array_parallelism", jobs),
        "ray": ("hydra.sweeper.max_batch_size", jobs if is_grid else None),
    }.get(str(given[LAUNCHER]), ("", None))
    limited = [] if limit is None or key in given else [f"{key}={limit}"]
    if given[LAUNCHER] == "ray" and OBJECT_STORE not in given:
        limited.append(f"+{OBJECT_STORE}=null")  # the plugin's own is refused by a running cluster
    return limited


def launcher_of(arguments: Iterable[str]) -> str:
    """Returns the launcher that Hydra's arguments name; Hydra's own if they name none."""
    named = [text.partition("=")[2] for text in arguments if text.startswith(f"{LAUNCHER}=")]
    return named[-1] if named else "basic"


def launcher_errors(arguments: Iterable[str]) -> tuple[type[Exception], ...]:
    """Returns the errors by which a launcher says that a job did not end, as when its node died."""
    launcher = launcher_of(arguments)
    if launcher.startswith("submitit"):
        errors = import_module("submitit.core.utils")
        return (errors.UncompletedJobError, errors.FailedJobError, errors.FailedSubmissionError)
    if launcher == "ray":
        return (import_module("ray.exceptions").RayError, ConnectionError)
    return ()
