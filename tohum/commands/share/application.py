"""What every command of `share` does around its work: log, end in plain words, keep exit codes."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from tohum.commands.share.command_line import parse
from tohum.errors import UserError

INTERRUPTED = 130

log = logging.getLogger(__name__)


def main(description: str | None) -> int:
    """Runs what the command line asks for and returns the exit code."""
    _configure_output()
    arguments = parse(sys.argv[1:], description or "")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(arguments)
    except UserError as error:
        log.error("error: %s", error)
        return 1
    except KeyboardInterrupt:
        log.info("interrupted; finished files are kept, and the same command goes on")
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    """Each command imports what it needs: DVC alone takes a third of a second."""
    match arguments.command:
        case "setup":
            from tohum.commands.share.setup import setup

            return setup(arguments, find_root())
        case "doctor":
            from tohum.commands.share.doctor import doctor

            return doctor(find_root(), arguments.remote, arguments.offline)
        case "push" | "pull":
            return _transfer(arguments)
    from tohum.commands.share.overview import run

    find_root()
    return run(arguments.command, arguments.targets, arguments.remote)


def _configure_output() -> None:
    """A console of Turkish Windows has no code for every letter of a path: it shows the rest."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="share: %(message)s", stream=sys.stderr)
    for noisy in ("googleapiclient", "oauth2client", "pydrive2", "urllib3", "dvc"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def find_root() -> Path:
    """Returns the folder of the project, at or above the current one.

    Raises:
        UserError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise UserError(
        f"there is no DVC project at or above {here} (no folder .dvc). Run this in your clone of "
        "the project."
    )


def _transfer(arguments: argparse.Namespace) -> int:
    from tohum.commands.share.request import Request
    from tohum.commands.share.transfer import transfer

    request = Request(
        arguments.command,
        tuple(arguments.targets),
        arguments.remote,
        arguments.jobs,
        arguments.stall,
        getattr(arguments, "force", False),
    )
    return transfer(request, find_root(), max(1, arguments.tries))
