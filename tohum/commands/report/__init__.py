"""Print how good the model is and what was reproduced.

    tohum report

It prints figures, completions, which stages reproduced the committed bytes, and what to commit. It
reads metrics/, the validation documents, models/lm and dvc.lock, here and at HEAD. Run it at any
time after `dvc repro`.
"""

import argparse
from pathlib import Path


def add_arguments(_: argparse.ArgumentParser) -> None:
    """Adds nothing: the command takes no arguments."""


def run(_: argparse.Namespace) -> None:
    """Prints the figures, sample completions and the reproduction."""
    from tohum.commands.printing import tell
    from tohum.commands.report.committing import proposal
    from tohum.commands.report.reproduction import reproduction
    from tohum.commands.report.samples import samples
    from tohum.commands.report.summary import summary

    tell(summary(Path()))
    print(samples(Path()))
    tell(reproduction(Path()))
    to_do = proposal(Path())
    if to_do:
        tell(to_do)
