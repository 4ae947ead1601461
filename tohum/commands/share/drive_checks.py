"""The checks of `share doctor` for Google Drive: login, network, folder, space."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from tohum.commands.printing import size_of
from tohum.commands.share import drive
from tohum.commands.share.check import FAILED, PASSED, WARNED, Check
from tohum.commands.share.failures import FIXES, recognise
from tohum.commands.share.login_checks import is_true, login_checks, version_of
from tohum.commands.share.remotes import Remote
from tohum.commands.share.setup import read_json
from tohum.errors import UserError

PROBE = "https://www.googleapis.com/drive/v2/about"
MOST_SKEW = 240.0  # seconds; Google refuses a service account's request above 300
LITTLE_SPACE = 1_000_000_000


def checks(remote: Remote, offline: bool) -> Iterator[Check]:
    """Yields the checks; those that need Google only if all before them passed."""
    version = version_of("dvc-gdrive")
    if version is None:
        yield Check(FAILED, "packages", "dvc-gdrive is not installed", f"Run: {drive.INSTALL}")
        return
    yield Check(PASSED, "packages", f"dvc-gdrive {version}, PyDrive2 {version_of('PyDrive2')}")
    failed = False
    for check in login_checks(remote):
        failed = failed or check.state == FAILED
        yield check
    if offline:
        return
    for check in _network_checks():
        failed = failed or check.state == FAILED
        yield check
    if not failed:
        yield from _drive_checks(remote)


def _network_checks() -> Iterator[Check]:
    """Checks for any answer from Google, and compares its clock."""
    import httplib2

    try:
        answer, _ = httplib2.Http(timeout=20).request(PROBE)
    except Exception as error:  # httplib2's own, socket's, ssl's, PySocks'
        failure = recognise(error)
        yield Check(FAILED, "network", failure.found.rstrip("."), FIXES["offline"])
        return
    yield Check(PASSED, "network", "www.googleapis.com answers")
    if "date" not in answer:
        return
    skew = time.time() - parsedate_to_datetime(answer["date"]).timestamp()
    if abs(skew) > MOST_SKEW:
        direction = "ahead" if skew > 0 else "behind"
        yield Check(
            FAILED, "clock", f"this machine's is {abs(skew):.0f} s {direction}, and Google refuses "
            "logins of another time",
            "Set it from the network (Windows: w32tm /resync; Linux: timedatectl set-ntp true).",
        )  # fmt: skip
    else:
        yield Check(PASSED, "clock", f"{abs(skew):.0f} s from Google's")


def _drive_checks(remote: Remote) -> Iterator[Check]:
    """Yields the checks that only Drive itself can answer."""
    try:
        service = drive.connect(remote.options)
    except Exception as error:  # oauth2client's, PyDrive2's, httplib2's
        failure = recognise(error)
        yield Check(FAILED, "token", failure.found.rstrip("."), FIXES[failure.kind])
        return
    yield Check(PASSED, "token", "Google gave one")
    by_user = not is_true(remote.options.get("gdrive_use_service_account"))
    if by_user:
        yield _scope(remote)
    try:
        folder = drive.find_folder(service, remote.folder)
    except Exception as error:
        failure = recognise(error)
        fix = "" if isinstance(error, UserError) else FIXES[failure.kind]
        yield Check(FAILED, "folder", failure.found.rstrip("."), fix)
        return
    place = "in a Shared Drive" if folder.drive_id else "in My Drive"
    yield Check(PASSED, "folder", f"'{folder.title}', {place}")
    yield _writable(folder)
    delegated = bool(remote.options.get("gdrive_service_account_user_email"))
    if folder.drive_id:
        yield Check(PASSED, "space", "a Shared Drive has no user quota")
    elif not by_user and not delegated:
        yield Check(
            FAILED, "space",
            "a service account has no space, so it can read here but not upload to My Drive",
            "Use a folder of a Shared Drive (Google Workspace), give --user-email of a user it may "
            "act for, or log in as a user: docs/sharing.md, 'Workspace'.",
        )  # fmt: skip
    else:
        yield _space(service)


def _scope(remote: Remote) -> Check:
    environment = drive.environment_credentials()
    found = environment if environment is not None else read_json(drive.login_file(remote.options))
    scopes = found.get("scopes") or []
    scope = (found.get("token_response") or {}).get("scope")
    granted = set(scope.split()) if scope else set(scopes)
    if granted and drive.FULL_SCOPE not in granted:
        return Check(FAILED, "scope", f"only {' '.join(sorted(granted))}", FIXES["scope"])
    return Check(PASSED, "scope", "all of Drive")


def _writable(folder: drive.Folder) -> Check:
    if folder.writable:
        return Check(PASSED, "writable", "this account may upload to it")
    return Check(
        WARNED, "writable", "this account may only read: pull works, push does not",
        FIXES["permission"],
    )  # fmt: skip


def _space(service: Any) -> Check:
    left = drive.space_left(service)
    if left is None:
        return Check(PASSED, "space", "no limit")
    if left < LITTLE_SPACE:
        fix = "Free some (the trash counts), or get more: a push that needs it will stop."
        return Check(WARNED if left > 0 else FAILED, "space", f"{size_of(max(0, left))} left", fix)
    return Check(PASSED, "space", f"{size_of(left)} left")
