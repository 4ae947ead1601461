"""The Hydra application: Hydra chooses the points to run, and gets the objective of each.

Hydra's own sweeper runs the whole grid, Optuna's decides by the objective. The joblib launcher runs
several points at once, in its own processes. Those of submitit and Ray do so on other machines,
which get the job pickled and share the project's file system.
"""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from tohum.commands.sweep.launchers import launcher_errors, launcher_of
from tohum.commands.sweep.plan import Plan
from tohum.commands.sweep.points import Outcome, run_point
from tohum.errors import UserError
from tohum.translation import set_up_logging, translated

NOISY = ("alembic", "hydra", "hydra_plugins", "joblib", "optuna", "submitit")

log = logging.getLogger(__name__)


def run_points(plan: Plan) -> int:
    """Runs the points and returns Hydra's exit code, which is not 0 if it gave up before the last
    one.

    A point that fails returns no objective, which Optuna counts as a failed trial.
    """

    def job(_: DictConfig) -> float | None:
        configure_logging()
        if not plan.folder.is_dir():
            raise UserError(
                f"{socket.gethostname()} does not see {plan.folder}. Every machine needs the "
                "project folder at the same path, on a file system that all of them share."
            )
        overrides = list(HydraConfig.get().overrides.task)
        with _no_application(), chdir(plan.root):  # a worker of Ray starts elsewhere
            outcome = run_point(plan, overrides)
        log.info("%s", _line(plan, outcome))
        return outcome.value(plan.measure)

    if "hydra/sweeper=optuna" in plan.hydra:
        import optuna

        optuna.logging.set_verbosity(logging.CRITICAL)
    configure_logging()
    sys.argv = [sys.argv[0], *plan.hydra]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors, and prints no traceback
    run = hydra.main(version_base="1.3", config_path=str(plan.conf), config_name="sweep")(job)
    try:
        with plan.lock:
            run()
    except SystemExit as ended:  # Hydra has printed why
        return int(ended.code or 0)
    except (HydraException, OmegaConfBaseException, TypeError, ValueError) as error:
        cause = error.__cause__ or error
        log.error("error: Hydra ended the sweep: %s", str(cause).strip())
        return 1
    except launcher_errors(plan.hydra) as error:
        log.error(
            "error: a job of %s ended before its point did: %s\nThe same command goes on with the "
            "points that are not done.",
            launcher_of(plan.hydra),
            str(error).strip(),
        )
        return 1
    return 0


@contextmanager
def _no_application() -> Iterator[None]:
    """Lets a job compose another configuration; Hydra allows one application at a time."""
    instance = GlobalHydra.instance()
    application = instance.hydra
    instance.clear()
    try:
        yield
    finally:
        instance.hydra = application


def configure_logging() -> None:
    """Logs the sweep's own lines, and only serious messages of the libraries."""
    set_up_logging(logging.INFO, "sweep: %(message)s")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _line(plan: Plan, outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome}: failed: {outcome.error}"
    measures = [translated(f"{outcome.bytes_per_token:.3f} bytes per token")]
    if outcome.bits_per_byte is not None:
        measures.append(translated(f"{outcome.bits_per_byte:.3f} bits per byte"))
    if plan.measure in outcome.completion:
        value = outcome.completion[plan.measure]
        measures.append(f"{value:.3f} {plan.measure.replace('_', ' ')}")
    done = translated("done before") if outcome.state == "found" else f"{outcome.seconds:.1f} s"
    return f"{translated(str(outcome))}: {', '.join(measures)} ({done})"
