"""Run a grid or a search, each point a DVC experiment.

    tohum sweep -m tokenizer.vocab_size=2048,4096,8192 tokenizer.min_frequency=2,4,8
    tohum sweep -m sweep.until=evaluate tokenizer.vocab_size=2048,4096
    tohum sweep -m hydra/sweeper=optuna hydra.sweeper.n_trials=10 \\
        'tokenizer.vocab_size=range(1024,8193,step=512)'
    tohum sweep -m sweep.jobs=4 ...

It reads conf/ and params.yaml, whose overrides apply to every point, and writes the table to
`outputs/sweep/<time>/` as sweep.csv and, for one or two swept keys, sweep.svg. After a stop or
kill, the same command resumes: a point whose experiment exists is not run again.

The keys of the sweep itself, in conf/sweep.yaml:
    sweep.until      the last stage of a point: tokenizer (compares bytes per token) or evaluate
    sweep.objective  what evaluate compares: bits_per_byte, or a figure of the model's completion,
                     such as keystrokes_saved
    sweep.jobs       points at once
    sweep.bytes      text that each point trains on, in place of train.steps; or sweep.minutes
    sweep.seeds      trainings of each point, whose mean is compared
"""

import argparse
import logging
import shutil
import time

from tohum.commands.arguments import add_overrides, complete_for_hydra

log = logging.getLogger("sweep")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds Hydra's arguments."""
    parser.add_argument(
        "-m", "--multirun", action="store_true", help="sweep; without it, one point is run"
    )
    add_overrides(parser, "overrides as Hydra takes them: key=value, key=a,b", complete_for_hydra)


def run(arguments: argparse.Namespace) -> int:
    """Runs the sweep and returns the exit code: 1 if a point failed."""
    from tohum.commands.printing import tell
    from tohum.commands.share.remotes import settle_remotes
    from tohum.commands.sweep.application import configure_logging, run_points
    from tohum.commands.sweep.plan import make_plan
    from tohum.commands.sweep.points import read_outcomes
    from tohum.commands.sweep.report import report

    configure_logging()
    plan = make_plan(arguments.overrides, arguments.multirun)
    for refused in plan.refused:
        log.warning("cannot run %s", refused)
    settle_remotes(plan.root)  # for `dvc exp push`
    ended = run_points(plan)
    outcomes = read_outcomes(plan)
    folder = plan.root / "outputs" / "sweep" / time.strftime("%Y-%m-%d_%H-%M-%S")
    if outcomes:
        tell(report(plan, outcomes, folder))
    failed = any(outcome.error for outcome in outcomes)
    if not failed and not ended:
        shutil.rmtree(plan.folder)
    return 1 if failed else ended
