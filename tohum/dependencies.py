"""The code that a stage's bytes depend on: what dvc.yaml lists for the stage, and nothing else.

DVC reruns a stage when one of these files changes, and the key of a stage's unfinished work is a
hash of the same ones. Only code counts: .dvcignore hides from DVC what an editor or a file manager
leaves beside it, and `is_code` is the same rule for the key.
"""

from pathlib import Path

import yaml

from tohum.errors import UserError

PROJECT = Path(__file__).parents[1]
PACKAGES = ("stages", "tohum")
CODE_SUFFIXES = (".py", ".npz", ".csv")  # modules, and the tables that some of them load


def code_files(stage: str, project: Path = PROJECT) -> list[Path]:
    """Returns the files of code that dvc.yaml lists for a stage, sorted.

    Raises:
        UserError: dvc.yaml has no such stage, or names code that isn't there.
    """
    described = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    if stage not in described:
        raise UserError(f"{project / 'dvc.yaml'} has no stage '{stage}': {', '.join(described)}.")
    found: set[Path] = set()
    for dependency in described[stage].get("deps", []):
        path = project / dependency
        if Path(dependency).parts[0] not in PACKAGES:
            continue
        files = [path] if path.is_file() else [file for file in path.rglob("*") if is_code(file)]
        if not files:
            raise UserError(f"dvc.yaml lists {dependency} for the stage '{stage}': not there.")
        found.update(files)
    return sorted(found)


def is_code(path: Path) -> bool:
    """Whether a file is code, and not what an editor or a file manager has left beside it."""
    hidden = path.name.startswith((".", "#"))
    return path.is_file() and path.suffix in CODE_SUFFIXES and not hidden
