"""The checks of `share doctor` for Google Drive: client, login, network, folder, space."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tohum.commands.printing import size_of
from tohum.commands.share import drive
from tohum.commands.share.doctor import (
    FAILED,
    PASSED,
    SETUP,
    WARNED,
    Check,
    proxy_is_used,
    version_of,
)
from tohum.commands.share.failures import FIXES, recognise
from tohum.commands.share.remotes import Remote
from tohum.commands.share.setup import LOGIN_SUFFIX, read_json
from tohum.errors import UserError

PROBE = "https://www.googleapis.com/drive/v2/about"
MOST_SKEW = 240.0  # seconds; Google refuses a service account's request above 300
WEEK = 7 * 86400
LITTLE_SPACE = 1_000_000_000


def checks(remote: Remote, offline: bool) -> Iterator[Check]:
    """Yields the checks; those that need Google only where all before them passed."""
    version = version_of("dvc-gdrive")
    if version is None:
        yield Check(FAILED, "packages", "dvc-gdrive is not installed", f"Run: {drive.INSTALL}")
        return
    yield Check(PASSED, "packages", f"dvc-gdrive {version}, PyDrive2 {version_of('PyDrive2')}")
    failed = False
    for check in _local_checks(remote):
        failed = failed or check.state == FAILED
        yield check
    if offline:
        return
    for check in _network_checks():
        failed = failed or check.state == FAILED
        yield check
    if not failed:
        yield from _drive_checks(remote)


def _local_checks(remote: Remote) -> Iterator[Check]:
    if proxy_is_used() and version_of("PySocks") is None:
        yield Check(
            FAILED, "proxy",
            "HTTPS_PROXY is set, and the Drive client passes it by without PySocks",
            "Run: python -m pip install -c constraints.txt PySocks",
        )  # fmt: skip
    try:
        environment = drive.environment_credentials()
    except UserError as error:
        yield Check(FAILED, "credentials", str(error))
        return
    options = remote.options
    if _is_true(options.get("gdrive_use_service_account")):
        yield _service_account(options, environment)
    elif environment is not None:
        yield _environment_login(environment)
    else:
        client = _client(options)
        yield client
        if client.state != FAILED:
            yield from _login(options)


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _service_account(options: dict[str, Any], environment: dict[str, Any] | None) -> Check:
    path = options.get("gdrive_service_account_json_file_path")
    if path and environment is not None:
        return Check(
            FAILED, "service account",
            f"both {drive.ENVIRONMENT} and a key file are set, and the file wins whatever dvc's "
            "documentation says",
            "Unset one: `dvc remote modify --local --unset drive "
            "gdrive_service_account_json_file_path`.",
        )  # fmt: skip
    try:
        found = environment if environment is not None else read_json(Path(path or ""))
    except UserError as error:
        return Check(FAILED, "service account", str(error).rstrip("."), SETUP)
    if found.get("type") != "service_account" or "client_email" not in found:
        return Check(FAILED, "service account", "its key is of another kind", SETUP)
    return Check(PASSED, "service account", str(found["client_email"]))


def _environment_login(environment: dict[str, Any]) -> Check:
    if environment.get("type") == "service_account":
        return Check(
            FAILED, "credentials",
            f"{drive.ENVIRONMENT} is a service account's key, and the remote does not say so",
            "Run: tohum share setup --credentials-from-environment",
        )  # fmt: skip
    if not environment.get("refresh_token"):
        return Check(
            FAILED, "credentials", f"{drive.ENVIRONMENT} has no refresh token",
            "Copy the file of a login that `share setup` made on a machine with a browser.",
        )  # fmt: skip
    return Check(PASSED, "credentials", f"a user's login in {drive.ENVIRONMENT}")


def _client(options: dict[str, Any]) -> Check:
    client_id = options.get("gdrive_client_id")
    if not client_id or client_id == drive.default_client_id():
        return Check(
            FAILED, "OAuth client",
            "none of your own is set, and Google blocks DVC's default one ('This app is blocked')",
            "docs/sharing.md has the steps to make one; then run `tohum share setup "
            "--client-file ...`.",
        )  # fmt: skip
    if not options.get("gdrive_client_secret"):
        return Check(FAILED, "OAuth client", f"{client_id} has no secret here", SETUP)
    return Check(PASSED, "OAuth client", str(client_id))


def _login(options: dict[str, Any]) -> Iterator[Check]:
    """The login that dvc-gdrive keeps, and how long it will live."""
    path = drive.login_file(options)
    try:
        found = read_json(path)
    except UserError:
        yield Check(FAILED, "login", f"there is none ({path})", SETUP)
        return
    if not found.get("refresh_token") or found.get("invalid"):
        yield Check(
            FAILED, "login", f"{path} has no refresh token that holds",
            "Run: tohum share setup --login",
        )  # fmt: skip
        return
    yield Check(PASSED, "login", f"{path}")
    yield _age(path, found)


def _age(path: Path, found: dict[str, Any]) -> Check:
    """A consent screen in Testing: Google tells it by the refresh token's own end of life."""
    made = path.with_name(path.name + LOGIN_SUFFIX)
    age = time.time() - float(made.read_text()) if made.is_file() else None
    days = "age unknown" if age is None else f"{age / 86400:.1f} days old"
    left = (found.get("token_response") or {}).get("refresh_token_expires_in")
    if left is None:
        rule = "If it dies after seven days, the consent screen is in 'Testing': publish the app."
        if age is not None and age > WEEK:
            return Check(PASSED, "login's age", f"{days}: older than Testing allows, so it lasts")
        return Check(PASSED, "login's age", days, rule)
    told_at = datetime.strptime(found["token_expiry"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    lifetime = float((found.get("token_response") or {}).get("expires_in", 3600))
    ends = told_at.timestamp() - lifetime + float(left)
    publish = (
        "Publish the app ('In production') on the consent screen's page of your Google Cloud "
        "project, and run `tohum share setup --login`."
    )
    if ends < time.time():
        return Check(
            FAILED, "login's age", f"{days}: its seven days of 'Testing' are over", publish
        )
    rest = (ends - time.time()) / 86400
    return Check(WARNED, "login's age", f"{days}: ends in {rest:.1f} days ('Testing')", publish)


def _network_checks() -> Iterator[Check]:
    """An answer from Google, of whatever kind, and what its clock says."""
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
            "Set it by the network (Windows: w32tm /resync; Linux: timedatectl set-ntp true).",
        )  # fmt: skip
    else:
        yield Check(PASSED, "clock", f"{abs(skew):.0f} s from Google's")


def _drive_checks(remote: Remote) -> Iterator[Check]:
    """What only Drive itself can tell."""
    try:
        service = drive.connect(remote.options)
    except Exception as error:  # oauth2client's, PyDrive2's, httplib2's
        failure = recognise(error)
        yield Check(FAILED, "token", failure.found.rstrip("."), FIXES[failure.kind])
        return
    yield Check(PASSED, "token", "Google gave one")
    by_user = not _is_true(remote.options.get("gdrive_use_service_account"))
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
        yield Check(PASSED, "space", "a Shared Drive has no quota of a user")
    elif not by_user and not delegated:
        yield Check(
            FAILED, "space",
            "a service account owns no space, so it can read here and not upload to My Drive",
            "Use a folder of a Shared Drive (Google Workspace), give --user-email of a user it may "
            "act for, or log in as a user: docs/sharing.md, 'Service account'.",
        )  # fmt: skip
    else:
        yield _space(service)


def _scope(remote: Remote) -> Check:
    environment = drive.environment_credentials()
    found = environment if environment is not None else read_json(drive.login_file(remote.options))
    scopes = found.get("scopes") or []
    told = (found.get("token_response") or {}).get("scope")
    granted = set(told.split()) if told else set(scopes)
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
