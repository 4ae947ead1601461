"""Reads and changes this project's remotes in DVC's configuration.

.dvc/config is for everybody and has no secrets; .dvc/config.local is this machine's.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tohum.errors import UserError

SECRET_KEYS = frozenset(
    {
        "gdrive_client_id",
        "gdrive_client_secret",
        "gdrive_service_account_json_file_path",
        "gdrive_service_account_user_email",
        "gdrive_use_service_account",
        "gdrive_user_credentials_file",
        "profile",
    }
)
FOLDER = ".share"
LINK = re.compile(r"(?:/folders/|[?&]id=|/drive/)(?P<id>[A-Za-z0-9_-]{10,})")
IDENTITY = re.compile(r"[A-Za-z0-9_-]{10,}|root|appDataFolder")


@dataclass(frozen=True)
class Remote:
    """A remote with all its options, from every configuration file."""

    name: str
    url: str
    options: dict[str, Any] = field(repr=False)

    @property
    def is_drive(self) -> bool:
        """Whether it is a folder of Google Drive."""
        return self.url.startswith("gdrive://")

    @property
    def folder(self) -> str:
        """The id of the Drive folder."""
        return self.url.removeprefix("gdrive://").partition("/")[0]


def read_remote(root: Path, name: str | None) -> Remote:
    """Returns a remote by its name, or the default one.

    Raises:
        UserError: there is none of this name, or the configuration can't be read.
    """
    conf = _config(root)
    name = name or conf.get("core", {}).get("remote")
    remotes = conf.get("remote", {})
    if not name or name not in remotes:
        asked = f"there is no remote '{name}'" if name else "no default remote is set"
        known = ", ".join(remotes) or "none"
        raise UserError(
            f"{asked} in .dvc/config (there: {known}). Run `tohum share setup` for "
            "Google Drive, or see docs/sharing.md for other kinds."
        )
    return Remote(name, str(remotes[name].get("url", "")), dict(remotes[name]))


def settle_remotes(root: Path) -> None:
    """Makes the project's folder `.share` this machine's default remote if there is no other, and
    repeats relative paths of .dvc/config in .dvc/config.local. The folder makes way as soon as
    .dvc/config names a default remote, such as one that a friend has set up.

    DVC's commands on revisions, such as `dvc exp push`, read .dvc/config out of git, and take a
    relative path in it for one from the root of the disk. They read .dvc/config.local from here.
    """
    if not (root / ".dvc").is_dir():
        return
    from dvc.config_schema import RelPath

    config = _config(root)
    of_all, of_here = config.load_one("repo"), config.load_one("local")
    shared, here = of_all["remote"], of_here["remote"]
    urls = {
        name: options["url"]
        for name, options in shared.items()
        if isinstance(options.get("url"), RelPath) and "url" not in here.get(name, {})
    }
    stands_in = of_here["core"].get("remote") == "local" and _is_stand_in(
        root, here.get("local", {})
    )
    if stands_in and of_all["core"].get("remote"):
        with config.edit("local") as local:
            del local["core"]["remote"]
            if "local" in shared:  # a remote of that name, which is another place
                del local["remote"]["local"]
        config = _config(root)
    without_default = not config["core"].get("remote")
    if without_default and "local" not in {**shared, **here}:
        urls["local"] = RelPath((root / FOLDER).resolve())
    if not urls and not without_default:
        return
    with config.edit("local") as local:
        for name, url in urls.items():
            local["remote"].setdefault(name, {})["url"] = url
        if without_default:
            local["core"]["remote"] = "local"
            # otherwise DVC keeps a damaged object under the right name
            local["remote"].setdefault("local", {})["verify"] = True


def _is_stand_in(root: Path, options: dict[str, Any]) -> bool:
    """Returns whether a remote is the folder that `settle_remotes` sets up."""
    url = str(options.get("url", ""))
    return Path(os.path.normpath(root.resolve() / ".dvc" / url)) == (root / FOLDER).resolve()


def write_drive(root: Path, name: str, url: str, local: dict[str, Any]) -> None:
    """Makes a Drive folder the default remote, for everybody; the login is for this machine only.

    Options of another login that this machine had are dropped.
    """
    config = _config(root)
    with config.edit("repo") as shared:
        section = shared["remote"].setdefault(name, {})
        for key in SECRET_KEYS & section.keys():
            local.setdefault(key, section.pop(key))
        section["url"] = url
        shared["core"]["remote"] = name
    with config.edit("local") as here:
        kept = here["remote"].get(name, {})
        here["remote"][name] = {k: v for k, v in kept.items() if k not in SECRET_KEYS} | local
        here["core"].pop("remote", None)
        if not here["remote"][name]:
            del here["remote"][name]
    (root / ".dvc" / "config.local").chmod(0o600)


def folder_id(given: str) -> str:
    """Returns the id of a folder from its link or from the id itself.

    Raises:
        UserError: it is neither.
    """
    given = given.strip().removeprefix("gdrive://")
    link = LINK.search(given)
    if link:
        return link["id"]
    if IDENTITY.fullmatch(given):
        return given
    raise UserError(
        f"'{given}' is neither a folder's link nor its id. Open the folder in Drive and copy the "
        "address: https://drive.google.com/drive/folders/<id>. To make a new one, use --create "
        f"'{given}'."
    )


def _config(root: Path) -> Any:
    from dvc.config import Config, ConfigError

    try:
        return Config(str(root / ".dvc"))
    except ConfigError as error:
        raise UserError(
            f"DVC's configuration can't be read: {error}. Look into .dvc/config and "
            ".dvc/config.local."
        ) from None
