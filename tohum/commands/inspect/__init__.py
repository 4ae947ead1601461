"""Show what is in a file, a folder or a dataset of the Hub.

    tohum inspect questions.csv
    tohum inspect ~/code
    tohum inspect owner/name --rows 200         a dataset of the Hub; owner/name@revision

It prints columns, sample rows and the configuration that would read them; it writes nothing.
"""

import argparse
import os
import shutil
from pathlib import Path

from tohum.project import find_project

ROWS = 1000
LEAST_WIDTH = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the source and how much of it to read."""
    parser.add_argument("source", help="a file, a folder, or a dataset of the Hub: owner/name")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to look at (%(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Prints what is in the source."""
    from tohum.commands.inspect.source import inspect_source
    from tohum.commands.printing import visible

    source = seen_from_root(arguments.source)
    for line in inspect_source(source, max(1, arguments.rows), terminal_width()):
        print(visible(line))


def seen_from_root(source: str) -> str:
    """Makes the root of the project, if there is one here, the current folder, and returns a path
    as it is written there, as params.yaml has it; anything else as it is.
    """
    here = Path.cwd()
    root = find_project(here)
    if root is None or root == here:
        return source
    os.chdir(root)
    path = here / source
    return os.path.relpath(path, root) if path.exists() and path.drive == root.drive else source


def terminal_width() -> int:
    """Returns the width of the terminal, or 100 if there is none."""
    return max(LEAST_WIDTH, shutil.get_terminal_size((100, 24)).columns)
