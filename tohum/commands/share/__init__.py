"""Share data and models through Google Drive or another remote.

    tohum share setup      once: a folder, and the login for it
    tohum share doctor     what is wrong, and how to fix it
    tohum share push       upload what the remote does not have yet
    tohum share push data  only the datasets; models/lm: only the model
    tohum share pull       for a friend, in a clone: then `dvc repro` is up to date
    tohum share status     what push and pull would move
    tohum share verify     proof that the remote has every object
    tohum share verify --here  proof that every file on this machine is right
    tohum share list       what is there

Any DVC remote will do. It reads dvc.lock and .dvc/config; setup writes .dvc/config (the folder) and
.dvc/config.local (the secrets; git ignores it). If it is interrupted, it keeps what is finished,
and the same command resumes. docs/sharing.md has the steps for every kind of account.
"""

import argparse
import logging
from pathlib import Path

from tohum.commands.share.command_line import add_arguments
from tohum.errors import UserError
from tohum.project import require_git

__all__ = ["add_arguments", "find_root", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Runs a command and returns its exit code; each imports what it needs, because DVC alone takes
    a third of a second.
    """
    for noisy in ("googleapiclient", "oauth2client", "pydrive2", "urllib3", "dvc"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    root = find_root(Path.cwd())
    require_git(root)
    if arguments.command != "setup":
        from tohum.commands.share.remotes import settle_remotes

        settle_remotes(root)
    match arguments.command:
        case "setup":
            from tohum.commands.share.setup import setup

            return setup(arguments, root)
        case "doctor":
            from tohum.commands.share.doctor import doctor

            return doctor(root, arguments.remote, arguments.offline)
        case "push" | "pull":
            return _transfer(arguments, root)
        case "verify" if arguments.here:
            from tohum.commands.share.here import verify_here

            return verify_here(arguments.targets, arguments.delete)
        case "verify" if arguments.delete:
            raise UserError("--delete goes with --here: on the remote, `share push` replaces.")
    from tohum.commands.share.overview import overview

    return overview(arguments.command, arguments.targets, arguments.remote)


def find_root(here: Path) -> Path:
    """Returns the project's folder, at or above `here`.

    Raises:
        UserError: there is none.
    """
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise UserError(
        f"there is no DVC project at or above {here} (no folder .dvc). Run this in your clone of "
        "the project."
    )


def _transfer(arguments: argparse.Namespace, root: Path) -> int:
    from tohum.commands.share.transfer import transfer
    from tohum.commands.share.transfer_request import TransferRequest

    request = TransferRequest(
        arguments.command,
        tuple(arguments.targets),
        arguments.remote,
        arguments.jobs,
        arguments.stall,
        getattr(arguments, "force", False),
    )
    return transfer(request, root, max(1, arguments.tries))
