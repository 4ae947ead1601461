"""What lies in the fake Drive: files and folders as items of Drive's API v2, bytes on this disk."""

import hashlib
import itertools
import re
import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FOLDER = "application/vnd.google-apps.folder"
PARENT = re.compile(r"'([^']+)' in parents")
TITLE = re.compile(r"title='((?:[^'\\]|\\.)*)'")
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
BLOCK = 1 << 20

Resource = dict[str, Any]


@dataclass
class Item:
    """A file or a folder. `drive_id` is set in a Shared Drive."""

    id: str
    title: str
    parent: str
    mime: str = FOLDER
    size: int = 0
    md5: str = ""
    trashed: bool = False
    drive_id: str = ""
    writable: bool = True

    def resource(self) -> Resource:
        """The item as API v2 gives it."""
        told: Resource = {
            "kind": "drive#file",
            "id": self.id,
            "title": self.title,
            "mimeType": self.mime,
            "labels": {"trashed": self.trashed},
            "parents": [{"id": self.parent}] if self.parent else [],
            "capabilities": {"canAddChildren": self.mime == FOLDER and self.writable},
        }
        if self.mime != FOLDER:
            told |= {"fileSize": str(self.size), "md5Checksum": self.md5}
        if self.drive_id:
            told["driveId"] = self.drive_id
        return told


@dataclass
class Session:
    """A resumable upload: where it goes, and what has come so far."""

    title: str
    parent: str
    path: Path
    size: int = 0
    digest: Any = field(default_factory=hashlib.md5)


class DriveFiles:
    """One account's My Drive (`root`) and a Shared Drive, with a quota in bytes for the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.quota = 15_000_000_000
        self.items = {"root": Item("root", "My Drive", "")}
        self.sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add_folder(self, title: str, parent: str = "root", shared: bool = False) -> str:
        """Makes a folder and returns its id; `shared` makes it the root of a Shared Drive."""
        identity = self._new_id()
        drive = identity if shared else self.items[parent].drive_id
        with self._lock:
            self.items[identity] = Item(identity, title, parent, drive_id=drive)
        return identity

    def find(self, query: str) -> list[Resource]:
        """Answers files.list; titles are compared without case, as on the real Drive."""
        parents = set(PARENT.findall(query))
        named = TITLE.search(query)
        title = named[1].replace("\\'", "'").lower() if named else None
        with self._lock:
            return [
                item.resource()
                for item in self.items.values()
                if item.parent in parents
                and not item.trashed
                and (title is None or item.title.lower() == title)
            ]

    def used(self) -> int:
        """The bytes that count for the quota, those in the trash included."""
        with self._lock:
            return sum(item.size for item in self.items.values() if not item.drive_id)

    def begin(self, metadata: Resource) -> str:
        """Begins a resumable upload and returns its id."""
        identity = self._new_id()
        parent = metadata["parents"][0]["id"]
        self.sessions[identity] = Session(metadata["title"], parent, self.folder / identity)
        return identity

    def finish(self, identity: str) -> Resource:
        """Makes the file of a complete upload."""
        session = self.sessions.pop(identity)
        drive = self.items[session.parent].drive_id
        digest = session.digest.hexdigest()
        item = Item(
            identity, session.title, session.parent, "application/octet-stream", session.size,
            digest, drive_id=drive,
        )  # fmt: skip
        with self._lock:
            self.items[identity] = item
        return item.resource()

    def files(self, title: str = "") -> list[Item]:
        """The files that are not in the trash, all or those of a title."""
        return [
            item
            for item in list(self.items.values())
            if item.mime != FOLDER and not item.trashed and title in ("", item.title)
        ]

    def content(self, title: str) -> bytes:
        """The bytes of the file of a title."""
        return (self.folder / self.files(title)[0].id).read_bytes()

    def delete(self, identity: str) -> None:
        """Deletes a file for good, or a folder with all that is in it."""
        with self._lock:
            for child in [item.id for item in self.items.values() if item.parent == identity]:
                self.items.pop(child)
            self.items.pop(identity)

    def take_over(self, other: "DriveFiles") -> None:
        """Holds from now on what another Drive holds."""
        shutil.copytree(other.folder, self.folder, dirs_exist_ok=True)
        self.items = {identity: replace(item) for identity, item in other.items.items()}
        self._numbers = itertools.count(len(self.items) + 1)

    def _new_id(self) -> str:
        return f"1Fake{next(self._numbers):025d}"
