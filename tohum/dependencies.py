"""The code that a stage's output depends on: the files that dvc.yaml lists for it.

DVC reruns a stage when one of these files changes, and the key of a stage's unfinished work is a
hash of the same files. Only code counts: .dvcignore hides what editors and file managers leave next
to it from DVC, and `is_code` is the same rule for the key.
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
        UserError: dvc.yaml has no such stage, or lists code that doesn't exist.
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
            raise UserError(
                f"dvc.yaml lists {dependency} for the stage '{stage}', but it doesn't exist."
            )
        found.update(files)
    return sorted(found)


def is_code(path: Path) -> bool:
    """Whether a file is code, not something that an editor or a file manager left next to it."""
    hidden = path.name.startswith((".", "#"))
    return path.is_file() and path.suffix in CODE_SUFFIXES and not hidden
