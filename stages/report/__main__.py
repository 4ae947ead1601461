"""Prints what `dvc repro` made. Run alone, at any time: `python -m stages.report`."""

from pathlib import Path

from stages.process import run_stage
from stages.report.completions import completions
from stages.report.reproduction import reproduction
from stages.report.summary import summary


def main() -> None:
    print(summary(Path()))
    print(completions(Path()))
    print(reproduction(Path()))


if __name__ == "__main__":
    run_stage("report", main)
