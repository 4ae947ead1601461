"""Prints what `dvc repro` made. Run alone, at any time: `tohum report`."""

from pathlib import Path

from tohum.commands.report.reproduction import reproduction
from tohum.commands.report.samples import completions
from tohum.commands.report.summary import summary
from tohum.process import run_stage


def main() -> None:
    print(summary(Path()))
    print(completions(Path()))
    print(reproduction(Path()))


if __name__ == "__main__":
    run_stage("report", main)
