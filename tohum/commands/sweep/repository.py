"""Queries git for the state of the code and the existing experiments."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.compose.corrections import is_leftover
from tohum.dvc_lock import HASHED, read_stages
from tohum.errors import UserError
from tohum.project import require_git

IDENTITIES = ("GIT_AUTHOR", "GIT_COMMITTER")
SUFFIXES = (".py", ".yaml", ".txt")  # of the code and the configuration
RESULTS = ("params.yaml", "params.lock.yaml", "dvc.lock", "metrics", "plots")  # not code


@contextmanager
def unstashed(root: Path) -> Iterator[None]:
    """Waits until no point has what is not committed stashed, and lets none stash it meanwhile.

    What a killed sweep has begun goes on, so a new sweep may find the workspace as it was committed
    for a moment. DVC stashes under the repository's lock.

    Raises:
        UserError: DVC is not set up here.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        opened = Repo(root, _wait_for_lock=True)
    except NotDvcRepoError:
        raise UserError(
            f"{root.resolve()} has no .dvc, where DVC keeps its settings: every point of a sweep "
            "is a DVC experiment. `git checkout .dvc` restores it."
        ) from None
    with opened as repo, repo.lock:
        yield


def code_state(root: Path) -> tuple[str, str]:
    """Returns the commit at HEAD, and a hash of how tracked code and configuration differ from it.

    Raises:
        UserError: as `require_commit`.
    """
    head = require_commit(root)
    excluded = [f":(exclude){path}" for path in RESULTS]
    difference = _git(root, "diff", "--no-ext-diff", "--binary", "HEAD", "--", ".", *excluded)
    digest = hashlib.sha256(difference.stdout).hexdigest()
    return head, digest[:16]


def corpus_state(root: Path) -> dict[str, str]:
    """Returns the hash of each output of `download` in dvc.lock. A point takes them from there as
    long as its source is that one, though the user's own files may have changed since.
    """
    made = (read_stages(root / "dvc.lock") or {}).get("download", {}).get("outs", [])
    return {out["path"]: out["md5"] for out in made}


def require_tracked(root: Path) -> None:
    """Checks that git tracks every file of the code and the configuration: DVC runs a point in a
    copy that has only those.

    Raises:
        UserError: there are others; it names them.
    """
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *HASHED)
    names = [name for name in listed.stdout.decode(errors="replace").split("\0") if name]
    others = [name for name in names if name.endswith(SUFFIXES) and not is_leftover(Path(name))]
    if others:
        raise UserError(
            f"git does not track {', '.join(others[:3])}{' and others' if len(others) > 3 else ''},"
            " so the points of a sweep would not have it. Add it to git, or move it away: git add "
            f"{' '.join(HASHED)}"
        )


def require_commit(root: Path) -> str:
    """Checks that experiments can be made of a commit, and returns it: the one at HEAD.

    Raises:
        UserError: there is no git repository, no commit in it, or no name to commit by.
    """
    require_git(root)
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head.returncode:
        raise UserError(
            "every point of a sweep is a DVC experiment, which belongs to a git commit, and there "
            f"is none in {root.resolve()}. Commit the project first: git add --all && git commit "
            "--message start"
        )
    _require_identity(root)
    return head.stdout.decode().strip()


def _require_identity(root: Path) -> None:
    """Checks that DVC can commit, for which it needs what git needs: a name and an address."""
    for field in ("name", "email"):
        known = _git(root, "config", f"user.{field}").stdout.strip()
        if not known and not all(os.environ.get(f"{who}_{field.upper()}") for who in IDENTITIES):
            raise UserError(
                f"git does not know your {field}, which DVC needs to save a point. Set it once: "
                'git config --global user.name "Your Name" && git config --global user.email '
                "you@example.org"
            )


def experiment_ref(baseline: str, name: str) -> str:
    """Returns the git ref under which DVC keeps an experiment."""
    return f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}"


def has_ref(root: Path, ref: str) -> bool:
    """Returns whether an experiment exists; DVC creates its ref when all of it is done."""
    return _git(root, "rev-parse", "--verify", "--quiet", ref).returncode == 0


def find_experiment(root: Path, baseline: str, digest: str) -> str | None:
    """Returns the name of the experiment on this commit whose name ends in the hash, if any."""
    pattern = experiment_ref(baseline, f"*_{digest}")
    found = _git(root, "for-each-ref", "--count=1", "--format=%(refname)", pattern)
    return found.stdout.decode().strip().rpartition("/")[2] or None


def read_metrics(root: Path, ref: str, stage: str) -> dict[str, Any]:
    """Returns an experiment's metrics of a stage.

    Raises:
        UserError: it has none.
    """
    shown = _git(root, "show", f"{ref}:./metrics/{stage}.json")
    if shown.returncode:
        raise UserError(
            f"the experiment {ref} has no metrics/{stage}.json. Remove it with `dvc exp remove "
            f"{ref.rpartition('/')[2]}` and run the sweep again."
        )
    metrics = json.loads(shown.stdout)
    assert isinstance(metrics, dict)
    return metrics


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError(
            "git is not installed, and every point of a sweep is a DVC experiment."
        ) from None
