"""The checks of `share doctor` that need no network: the Drive client and the login."""

import importlib.metadata
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tohum.commands.share import drive
from tohum.commands.share.check import FAILED, PASSED, SETUP, WARNED, Check
from tohum.commands.share.remotes import Remote
from tohum.commands.share.setup import LOGIN_SUFFIX, read_json
from tohum.errors import UserError

WEEK = 7 * 86400  # seconds


def login_checks(remote: Remote) -> Iterator[Check]:
    """Yields the checks that need no network."""
    if _proxy_is_used() and version_of("PySocks") is None:
        yield Check(
            FAILED, "proxy",
            "HTTPS_PROXY is set, but the Drive client ignores it without PySocks",
            "Run: python -m pip install -c constraints.txt PySocks",
        )  # fmt: skip
    try:
        environment = drive.environment_credentials()
    except UserError as error:
        yield Check(FAILED, "credentials", str(error))
        return
    options = remote.options
    if is_true(options.get("gdrive_use_service_account")):
        yield _service_account(options, environment)
    elif environment is not None:
        yield _environment_login(environment)
    else:
        client = _client(options)
        yield client
        if client.state != FAILED:
            yield from _login(options)


def is_true(value: Any) -> bool:
    """Returns whether an option of DVC's configuration is on."""
    return str(value).lower() == "true"


def _service_account(options: dict[str, Any], environment: dict[str, Any] | None) -> Check:
    path = options.get("gdrive_service_account_json_file_path")
    if path and environment is not None:
        return Check(
            FAILED, "service account",
            f"both {drive.ENVIRONMENT} and a key file are set, and the file wins, whatever dvc's "
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
    """The login that dvc-gdrive keeps, and how long it will last."""
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
    """A consent screen in Testing shows in the refresh token's lifetime."""
    made = path.with_name(path.name + LOGIN_SUFFIX)
    age = time.time() - float(made.read_text()) if made.is_file() else None
    days = "age unknown" if age is None else f"{age / 86400:.1f} days old"
    left = (found.get("token_response") or {}).get("refresh_token_expires_in")
    if left is None:
        rule = (
            "If it expires after seven days, the consent screen is in 'Testing': publish the app."
        )
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


def version_of(package: str) -> str | None:
    """Returns the version of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _proxy_is_used() -> bool:
    """Whether the environment names a proxy, which httplib2 ignores without PySocks."""
    named: dict[str, Any] = {name.lower(): value for name, value in os.environ.items()}
    return bool(named.get("https_proxy"))
