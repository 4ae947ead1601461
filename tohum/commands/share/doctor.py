"""Checks everything that sharing needs, one line each, and says how to fix what is wrong.

A check is skipped if an earlier one found that something it needs is missing.
"""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from tohum.commands.share import drive_checks
from tohum.commands.share.check import FAILED, PASSED, WARNED, Check
from tohum.commands.share.credentials import find_credentials
from tohum.commands.share.failures import recognise
from tohum.commands.share.listing import list_remote
from tohum.commands.share.outputs import open_repo
from tohum.commands.share.remotes import Remote, read_remote
from tohum.errors import UserError
from tohum.translation import translated

SILENCE_SECONDS = 20.0


def doctor(root: Path, remote_name: str | None, offline: bool) -> int:
    """Prints the checks as they are made and returns the exit code: 1 if one failed."""
    os.environ["GDRIVE_NON_INTERACTIVE"] = "1"
    socket.setdefaulttimeout(SILENCE_SECONDS)
    failed = 0
    for check in checks(root, remote_name, offline):
        print(check, flush=True)
        failed += check.state == FAILED
    if failed:
        said = f"{failed} {'check' if failed == 1 else 'checks'} failed."
        print(translated(said), file=sys.stderr)
    return 1 if failed else 0


def checks(root: Path, remote_name: str | None, offline: bool) -> Iterator[Check]:
    """Yields the checks, the cheap ones first."""
    yield tracked_files(root)
    try:
        remote = read_remote(root, remote_name)
    except UserError as error:
        yield Check(FAILED, "remote", str(error))
        return
    yield Check(PASSED, "remote", f"{remote.name} is {remote.url}")
    if not remote.is_drive:
        if not offline:
            yield other_remote(remote)
        return
    yield from drive_checks.checks(remote, offline)


def tracked_files(root: Path) -> Check:
    """Looks for credentials in what git tracks."""
    try:
        findings = find_credentials(root)
    except UserError as error:
        return Check(WARNED, "tracked files", str(error).rstrip("."))
    if not findings:
        return Check(PASSED, "tracked files", "no credential in them")
    return Check(
        FAILED,
        "tracked files",
        "; ".join(str(finding) for finding in findings[:5]),
        "Take it out of git (`git rm --cached`), keep it in .dvc/config.local, and revoke it if it "
        "was ever pushed.",
    )


def other_remote(remote: Remote) -> Check:
    """Lists a remote other than Drive through DVC."""
    try:
        with open_repo() as repo:
            held = list_remote(repo.cloud.get_remote_odb(remote.name))
    except Exception as error:  # whatever a client of any service raises
        failure = recognise(error)
        return Check(FAILED, "list", failure.found.rstrip("."), str(failure).split(". ", 1)[-1])
    return Check(PASSED, "list", f"{len(held)} objects")
