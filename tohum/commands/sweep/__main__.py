"""Runs a sweep: every point of a grid, or those that a search asks for, as a DVC experiment.

    tohum sweep -m tokenizer.vocab_size=2048,4096,8192 tokenizer.min_frequency=2,4,8
    tohum sweep -m sweep.until=evaluate tokenizer.vocab_size=2048,4096
    tohum sweep -m hydra/sweeper=optuna hydra.sweeper.n_trials=10 \\
        'tokenizer.vocab_size=range(1024,8193,step=512)'
    tohum sweep -m sweep.jobs=4 ...

Reads conf/ and params.yaml, whose overrides hold for every point, and writes the table to
`outputs/sweep/<time>/` as sweep.csv and, for one or two swept keys, sweep.svg. conf/sweep.yaml has
the keys of the sweep itself. Stopped or killed, the same command goes on: a point whose experiment
is there is not run again. `-m` sweeps; without it the one point of the command line is run.
"""

import logging
import shutil
import signal
import sys
import time
from typing import Any, NoReturn

from tohum.commands.sweep.application import configure_logging, run_points
from tohum.commands.sweep.plan import make_plan
from tohum.commands.sweep.points import read_outcomes
from tohum.commands.sweep.report import report
from tohum.errors import UserError

log = logging.getLogger("sweep")


def main() -> int:
    """Returns the exit code: 1 where a point failed."""
    configure_logging()
    plan = make_plan(sys.argv[1:])
    for refused in plan.refused:
        log.warning("cannot run %s", refused)
    ended = run_points(plan)
    outcomes = read_outcomes(plan)
    folder = plan.root / "outputs" / "sweep" / time.strftime("%Y-%m-%d_%H-%M-%S")
    if outcomes:
        print(report(plan, outcomes, folder))
    failed = any(outcome.error for outcome in outcomes)
    if not failed and not ended:
        shutil.rmtree(plan.folder)
    return 1 if failed else ended


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"sweep: error: {error}")
    except KeyboardInterrupt:
        log.info("interrupted; the same command goes on")
        sys.exit(130)
