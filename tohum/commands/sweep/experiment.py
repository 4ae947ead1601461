"""The process of one point: a `dvc exp run --temp` that ends in an experiment of the point's name.

    python -m tohum.commands.sweep.experiment '{"name": ..., "until": ..., "overrides": [...], ...}'

It is a separate process so that it outlives a killed sweep: `dvc exp run` briefly stashes
uncommitted changes and must not be stopped then, and the next sweep waits for the lock on
`.work/sweep/<name>.lock` and finds the experiment.

It uses DVC's Python interface for one reason: the command keeps all experiments about to start in
one git stash, and two that start at once take each other's (`Experiments.tempdir_queue`, "queue
length is only 0 or 1"). Here each has its own stash.
"""

import json
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from tohum.commands.sweep.overrides import set_param
from tohum.commands.sweep.repository import code_state, experiment_ref, has_ref
from tohum.errors import UserError
from tohum.workdir import project_root


@dataclass(frozen=True)
class Experiment:
    """What DVC is to run: all overrides, up to a stage, on this commit and code."""

    name: str
    until: str
    overrides: tuple[str, ...]
    baseline: str
    code: str

    @property
    def ref(self) -> str:
        """Its git ref once it is done."""
        return experiment_ref(self.baseline, self.name)

    def to_json(self) -> str:
        """Returns the argument of this module's command."""
        return json.dumps(asdict(self))


def point_lock(name: str) -> FileLock:
    """Returns the lock that the process of a point holds while it runs."""
    folder = project_root() / ".work" / "sweep"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def run_experiment(experiment: Experiment) -> None:
    """Runs the experiment unless it exists.

    Raises:
        UserError: the code has changed since the sweep began.
    """
    from dvc.repo import Repo
    from dvc.repo.experiments.queue.tempdir import TempDirQueue
    from dvc.ui import ui

    ui.enable()
    with point_lock(experiment.name):
        if has_ref(Path(), experiment.ref):
            return
        with Repo(_wait_for_lock=True) as repo:
            with repo.lock:  # no other point has the workspace stashed now
                if code_state(Path()) != (experiment.baseline, experiment.code):
                    raise UserError(
                        "the code or the commit has changed since the sweep began. Start it again."
                    )
            stash = f"refs/sweep/{experiment.name}"
            repo.experiments.tempdir_queue = TempDirQueue(repo, stash)
            repo.experiments.run(
                targets=[experiment.until],
                name=experiment.name,
                params=[set_param(experiment.overrides)],
                tmp_dir=True,
            )


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
    fields = json.loads(sys.argv[1])
    try:
        run_experiment(Experiment(**{**fields, "overrides": tuple(fields["overrides"])}))
    except UserError as error:
        sys.exit(f"sweep: error: {error}")


if __name__ == "__main__":
    main()
