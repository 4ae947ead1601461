"""Finds the project that a command or a stage works on, from any of its folders."""

import os
from pathlib import Path

from tohum.errors import UserError

MARKS = ("conf", "dvc.yaml")  # what the root of a project has
CODE = Path("tohum") / "cli.py"
NO_GIT = (
    "is not a git repository, which DVC needs: a ZIP download has none. Use `git clone` instead, "
    "or make this folder one: git init && git add --all && git commit --message start"
)


def find_project(here: Path) -> Path | None:
    """Returns the root of the project: the nearest folder, `here` or above it, with dvc.yaml and
    conf/; None if there is none.
    """
    for folder in (here, *here.parents):
        if all((folder / mark).exists() for mark in MARKS):
            return folder
    return None


def project_path(path: Path) -> Path:
    """Returns where a path of the project is, as seen from any of its folders; outside of one, the
    path itself. It never fails, since every help and completion asks for it.
    """
    try:
        root = find_project(Path.cwd())
    except OSError:  # the current folder has been deleted
        return path
    return path if root is None else root / path


def enter_project() -> None:
    """Makes the root of the project at or above the current folder the current folder.

    Raises:
        UserError: there is none, or it has code other than the code running.
    """
    here = current_folder()
    root = find_project(here)
    refuse_other_code(root or here)
    if root is None:
        missing = [mark for mark in MARKS if not (here / mark).exists()]
        raise UserError(
            f"there is no project at or above {here}, which has no {' and no '.join(missing)}. "
            "Change to your clone of the project, the folder that has dvc.yaml, or to a folder in "
            "it, and run the command there."
        )
    os.chdir(root)


def current_folder() -> Path:
    """Returns the current folder.

    Raises:
        UserError: it has been deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UserError(
            "the current folder does not exist any more. Change to your clone of the project."
        ) from None


def refuse_other_code(root: Path) -> None:
    """Checks that the code running is that of the project at `root`, which `dvc repro` runs; an
    installed `tohum` runs the code of the clone that it was installed from.

    Raises:
        UserError: the project has its own code.
    """
    theirs, running = root / CODE, Path(__file__).parents[1]
    if theirs.is_file() and not theirs.samefile(running / CODE):
        raise UserError(
            f"this is the `tohum` of {running}, and {root} has its own. Change to {root} and run "
            "`python -m` with the name of the module, as in `python -m tohum`, or install this "
            "clone: python -m pip install -c constraints.txt -e ."
        )


def in_git(root: Path) -> bool:
    """Returns whether a folder is in a git repository; that of a ZIP download is not."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def require_git(root: Path) -> None:
    """Checks that a project is in a git repository, or that its DVC is set up to do without.

    Raises:
        UserError: it is not.
    """
    settings = [root / ".dvc" / name for name in ("config", "config.local")]
    alone = any("no_scm" in path.read_text("utf-8") for path in settings if path.is_file())
    if not alone and not in_git(root):
        raise UserError(f"{root} {NO_GIT}")
