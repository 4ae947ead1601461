"""Connects this project to a folder of Google Drive: the login, the folder, the configuration.

What is not given as an option is asked for if there is a terminal.
"""

import argparse
import getpass
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tohum.commands.printing import tell
from tohum.commands.share import drive
from tohum.commands.share.remotes import SECRET_KEYS, folder_id, read_remote, write_drive
from tohum.errors import UserError
from tohum.translation import translated

STEPS = """\
Google blocks DVC's own OAuth client, so you need one of your own. Once, at
https://console.cloud.google.com (docs/sharing.md has more detail):
  1. Make a project.
  2. APIs & Services > Library: enable the Google Drive API.
  3. OAuth consent screen: user type External, your e-mail address, and then "Publish app", so that
     it is "In production": in "Testing" every login ends after seven days.
  4. Credentials > Create credentials > OAuth client ID > Desktop app. Download its JSON.
Then give that file here."""
NEW_FOLDER = "tohum"
LOGIN_SUFFIX = ".login"  # next to the login itself: when it was made


def setup(arguments: argparse.Namespace, root: Path) -> int:
    """Sets Drive up and returns the exit code.

    Raises:
        UserError: something is missing or wrong, and the message says what.
    """
    drive.require_client()
    name = arguments.remote
    known = _known_options(root, name)
    way_in = _way_in(arguments, known)
    url = str(known.get("url", ""))
    options = {"url": url or "gdrive://root", **way_in}
    with _without_login(options) if arguments.login else nullcontext(), drive.with_fixes():
        service = _log_in(options)
        identity, sentence = _folder(arguments, service, url)
    if identity != url.removeprefix("gdrive://").partition("/")[0]:
        url = f"gdrive://{identity}"
    write_drive(root, name, url, way_in)
    tell(sentence)
    tell(f"The remote '{name}' is set up: .dvc/config names the folder, for everybody,")
    tell("and .dvc/config.local, which git ignores, has this machine's login. Next:")
    print("  git add .dvc/config && git commit -m 'Share through Google Drive'")
    print("  tohum share push")
    tell("Share the folder with your friends on its page in Drive; each runs setup once.")
    return 0


@contextmanager
def _without_login(options: dict[str, Any]) -> Iterator[None]:
    """Sets a login aside for another one, and puts it back if that fails."""
    login = drive.login_file(options)
    aside = login.with_name(f"{login.name}.before")
    if login.is_file():
        login.replace(aside)
    try:
        yield
    except BaseException:
        if aside.is_file():
            aside.replace(login)
        raise
    aside.unlink(missing_ok=True)


def _known_options(root: Path, name: str) -> dict[str, Any]:
    try:
        remote = read_remote(root, name)
    except UserError:  # the first time
        return {}
    if not remote.is_drive:
        raise UserError(
            f"the remote '{name}' is {remote.url}, which is not a folder of Drive. Give the "
            "new one another name with --remote."
        )
    return remote.options


def _way_in(arguments: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """Returns DVC's options for the login that is asked for, or for the known one."""
    if arguments.credentials_from_environment:
        return _from_environment()
    if arguments.service_account:
        return _service_account(Path(arguments.service_account), arguments.user_email)
    client_id, secret = arguments.client_id, arguments.client_secret
    if arguments.client_file:
        client_id, secret = _read_client(Path(arguments.client_file))
    if not client_id:
        kept = {key: known[key] for key in SECRET_KEYS & known.keys()}
        if kept:
            return kept
        if drive.environment_credentials() is not None:
            return _from_environment()
        client_id, secret = _ask_for_client()
    if client_id == drive.default_client_id():
        raise UserError(f"this is DVC's own client.\n{STEPS}")
    if not secret:
        if not sys.stdin.isatty():
            raise UserError("--client-secret is missing: the client's page and JSON have it.")
        secret = getpass.getpass(translated("The client's secret: ")).strip()
    return {"gdrive_client_id": client_id, "gdrive_client_secret": secret}


def _from_environment() -> dict[str, Any]:
    found = drive.environment_credentials()
    if found is None:
        raise UserError(
            f"{drive.ENVIRONMENT} is not set. Set it to the text of a service account's key, or of "
            "the file that a login on another machine left (docs/sharing.md, 'Colab, servers, CI')."
        )
    if found.get("type") == "service_account":
        return {"gdrive_use_service_account": True}
    if not found.get("refresh_token"):
        raise UserError(
            f"{drive.ENVIRONMENT} is neither a service account's key nor a login with a refresh "
            "token. On a machine with a browser run `share setup`, and copy the file that `share "
            "doctor` names there."
        )
    return {}


def _service_account(path: Path, user: str | None) -> dict[str, Any]:
    found = read_json(path)
    if found.get("type") != "service_account":
        raise UserError(
            f"{path} is not a service account's key (its 'type' is {found.get('type')!r}). Make "
            "one in the Google Cloud console: IAM > Service accounts > Keys > Add key > JSON."
        )
    options: dict[str, Any] = {
        "gdrive_use_service_account": True,
        "gdrive_service_account_json_file_path": str(path.expanduser().resolve()),
    }
    return options | ({"gdrive_service_account_user_email": user} if user else {})


def _read_client(path: Path) -> tuple[str, str]:
    found = read_json(path)
    client = found.get("installed")
    if not isinstance(client, dict):
        kind = next(iter(found), "nothing")
        raise UserError(
            f"{path} is not an OAuth client of the kind 'Desktop app' (it holds '{kind}').\n{STEPS}"
        )
    return client["client_id"], client["client_secret"]


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in one of Google's files.

    Raises:
        UserError: it can't be read, or is not JSON.
    """
    try:
        found = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}.") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} is not JSON as Google gives it. Download it again.")
    return found


def _ask_for_client() -> tuple[str, str | None]:
    if not sys.stdin.isatty():
        raise UserError(
            "no login for Drive is given. Give --client-file (a personal account), "
            f"--service-account (a Shared Drive), or set {drive.ENVIRONMENT} (Colab, servers).\n"
            f"{STEPS}"
        )
    tell(STEPS)
    asked = translated("Path of the client's JSON, or the client's id: ")
    given = input(asked).strip().strip("\"'")
    if given.endswith(".json"):
        return _read_client(Path(given))
    if not given:
        raise UserError("nothing was given. Run `tohum share setup` again.")
    return given, None


def _log_in(options: dict[str, Any]) -> Any:
    """Connects, and records the time of a new login next to it."""
    by_user = not options.get("gdrive_use_service_account")
    is_new = by_user and drive.environment_credentials() is None
    path = drive.login_file(options)
    is_new = is_new and not path.exists()
    if is_new:
        tell("Your browser opens Google's page. If it says that the app is not verified, that is")
        tell("your own client: choose 'Advanced', continue, and grant every permission.")
        tell("On a machine without a browser: ssh -L 8080:localhost:8080 from one that has one.")
    service = drive.connect(options)
    if is_new:
        path.with_name(path.name + LOGIN_SUFFIX).write_text(str(int(time.time())))
    return service


def _folder(arguments: argparse.Namespace, service: Any, url: str) -> tuple[str, str]:
    """Returns the id of the folder to use, created if needed, and a sentence about it."""
    if arguments.create:
        parent = folder_id(arguments.parent) if arguments.parent else "root"
        identity = drive.make_folder(service, arguments.create, parent)
        return identity, (
            f"Made the folder '{arguments.create}': https://drive.google.com/drive/folders/{identity}"
        )
    given = arguments.folder or url
    if not given and sys.stdin.isatty():
        asked = translated(f"The folder's link (empty: make a new one, '{NEW_FOLDER}'): ")
        given = input(asked).strip()
        if not given:
            arguments.create = NEW_FOLDER
            return _folder(arguments, service, url)
    if not given:
        raise UserError("no folder is given. Give --folder with its link, or --create with a name.")
    folder = drive.find_folder(service, folder_id(given.split("/")[2] if given == url else given))
    if not folder.writable:
        return folder.id, f"The folder '{folder.title}' can be read but not written to."
    return folder.id, f"The folder '{folder.title}' exists and can be written to."
