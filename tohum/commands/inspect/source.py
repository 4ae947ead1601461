"""Inspects a source by its kind: data files, code, or a dataset of the Hub."""

from pathlib import Path

from tohum.commands.inspect.code import inspect_code
from tohum.commands.inspect.data_files import data_files, inspect_files, is_data_folder
from tohum.commands.inspect.datasets import inspect_dataset, is_dataset


def inspect_source(source: str, rows: int, width: int) -> list[str]:
    """Returns lines on what is in a source; a path on this machine takes precedence.

    Raises:
        UserError: it can't be read.
    """
    path = Path(source).expanduser()
    if not path.exists() and is_dataset(source):
        return inspect_dataset(source, rows, width)
    if path.is_dir() and not is_data_folder(path):
        return inspect_code(path, width)
    return inspect_files(data_files(path), path, rows, width)
