"""Google Drive's API, used like dvc-gdrive: same configuration, same login, same client.

What works here works for `dvc push`. The packages of the extra `drive` are imported when they are
used.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.commands.share.failures import recognise
from tohum.errors import UserError

FOLDER_TYPE = "application/vnd.google-apps.folder"
ENVIRONMENT = "GDRIVE_CREDENTIALS_DATA"
FULL_SCOPE = "https://www.googleapis.com/auth/drive"
FIELDS = "id,title,mimeType,driveId,labels/trashed,capabilities/canAddChildren"
INSTALL = 'python -m pip install -c constraints.txt -e ".[drive]"'


@dataclass(frozen=True)
class Folder:
    """A folder as this account sees it; `drive_id` is that of its Shared Drive."""

    id: str
    title: str
    writable: bool
    drive_id: str


def require_client() -> None:
    """Raises a UserError if the extra `drive` is not installed."""
    try:
        import dvc_gdrive  # noqa: F401
    except ImportError:
        raise UserError(f"the Drive client is not installed. Run: {INSTALL}") from None


def default_client_id() -> str:
    """The id of DVC's own OAuth client, which Google has blocked since August 2024."""
    from dvc_gdrive import GDriveFileSystem

    return str(GDriveFileSystem.DEFAULT_GDRIVE_CLIENT_ID)


def login_file(options: dict[str, Any]) -> Path:
    """Where dvc-gdrive keeps a user's login: with the client's id and the profile in its path."""
    import appdirs

    if options.get("gdrive_user_credentials_file"):
        return Path(options["gdrive_user_credentials_file"])
    cache = appdirs.user_cache_dir("pydrive2fs", appauthor=False)
    client = options.get("gdrive_client_id") or default_client_id()
    return Path(cache) / client / f"{options.get('profile') or 'default'}.json"


def environment_credentials() -> dict[str, Any] | None:
    """Returns the content of GDRIVE_CREDENTIALS_DATA, or None if it is not set.

    Raises:
        UserError: it does not hold a JSON object.
    """
    text = os.environ.get(ENVIRONMENT)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(
            f"{ENVIRONMENT} is set, but does not hold a JSON object. It takes the text of the "
            "file, not its path: the service account's key, or what a login on your own machine "
            "left (`tohum share doctor` there says where)."
        )
    return found


@contextmanager
def with_fixes() -> Iterator[None]:
    """Turns the clients' many exceptions into a UserError with the fix."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        failure = recognise(error)
        if failure.kind == "unknown":
            raise
        raise UserError(str(failure)) from error


def connect(options: dict[str, Any]) -> Any:
    """Logs in, with a browser if there is no login yet, and returns the service of Drive's API."""
    from dvc_gdrive import GDriveFileSystem

    auth = GDriveFileSystem(**options).fs.client.auth
    if auth.service is None:
        auth.Authorize()
    return auth.service


def find_folder(service: Any, identity: str) -> Folder:
    """Returns a folder.

    Raises:
        UserError: it is not a folder, or in the trash.
    """
    found = service.files().get(fileId=identity, supportsAllDrives=True, fields=FIELDS).execute()
    if found["mimeType"] != FOLDER_TYPE:
        raise UserError(f"'{found['title']}' ({identity}) is a file. Give a folder's link.")
    if found.get("labels", {}).get("trashed"):
        raise UserError(
            f"the folder '{found['title']}' is in Drive's trash. Restore it there, or use another."
        )
    writable = bool(found.get("capabilities", {}).get("canAddChildren"))
    return Folder(found["id"], found["title"], writable, found.get("driveId", ""))


def make_folder(service: Any, title: str, parent: str) -> str:
    """Makes a folder in another one and returns its id."""
    body = {"title": title, "mimeType": FOLDER_TYPE, "parents": [{"id": parent}]}
    made = service.files().insert(body=body, supportsAllDrives=True, fields="id").execute()
    return str(made["id"])


def space_left(service: Any) -> int | None:
    """Returns the free bytes of the account's own Drive, or None if there is no limit."""
    fields = "quotaBytesTotal,quotaBytesUsedAggregate,quotaType"
    about = service.about().get(fields=fields).execute()
    if about.get("quotaType") == "UNLIMITED":
        return None
    return int(about["quotaBytesTotal"]) - int(about["quotaBytesUsedAggregate"])
