"""Tells what is in a file, a folder or a dataset of the Hub, and proposes how to read it. Writes
nothing. Run: `tohum inspect PATH_OR_REPO [--rows N]`.
"""

import argparse
import shutil
from pathlib import Path

from tohum.commands.inspect.code import inspect_code
from tohum.commands.inspect.files import data_files, inspect_files, is_data_folder
from tohum.commands.inspect.hub import inspect_dataset, is_dataset
from tohum.commands.printing import visible
from tohum.process import run_stage

ROWS = 1000
LEAST_WIDTH = 60


def main() -> None:
    parser = argparse.ArgumentParser("tohum inspect", description=__doc__)
    parser.add_argument("source", help="a file, a folder, or a dataset of the Hub: owner/name")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to look at (%(default)s)")
    arguments = parser.parse_args()
    for line in report(arguments.source, max(1, arguments.rows), terminal_width()):
        print(visible(line))


def report(source: str, rows: int, width: int) -> list[str]:
    """Returns the lines of what is in a source; one that is on this machine comes first.

    Raises:
        UserError: it can't be read.
    """
    path = Path(source).expanduser()
    if not path.exists() and is_dataset(source):
        return inspect_dataset(source, rows, width)
    if path.is_dir() and not is_data_folder(path):
        return inspect_code(path, width)
    return inspect_files(data_files(path), path, rows, width)


def terminal_width() -> int:
    """Returns the columns of the terminal, or 100 where there is none."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((100, 24)).columns)


if __name__ == "__main__":
    run_stage("inspect", main)
