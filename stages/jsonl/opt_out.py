"""conf/opt_out.txt: what its owners do not want in a model.

One entry per line: `repo owner/name`, `path pattern` (as in a .gitignore, for repo/path and path),
or `id sha1` (of a file's bytes: its blob's id in Software Heritage). `#` starts a comment.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.cleaning.documents import Reason, TextDocument
from tohum.errors import UserError
from tohum.gitignore import Patterns

OPTED_OUT = "opted out"
SHA1 = re.compile("[0-9a-f]{40}")


@dataclass
class OptOut:
    """The parsed list."""

    repos: frozenset[str]
    ids: frozenset[str]
    paths: Patterns | None

    @property
    def empty(self) -> bool:
        """Whether nothing is on the list."""
        return not (self.repos or self.ids or self.paths)

    def check(self, document: TextDocument) -> Reason | None:
        """Returns the reason to drop a document that the list covers."""
        return Reason(OPTED_OUT) if self.covers(document.record) else None

    def covers(self, record: dict[str, Any]) -> bool:
        """Whether the record's repo, path or id is on the list."""
        repo, path = record["repo"], record["path"] or ""
        if repo is not None and repo.lower() in self.repos:
            return True
        if record["id"] in self.ids:
            return True
        if self.paths is None:
            return False
        return self.paths.cover(path) or (repo is not None and self.paths.cover(f"{repo}/{path}"))


def read_opt_out(path: Path) -> OptOut:
    """Reads the list; a missing file is an empty list.

    Raises:
        UserError: a line is not an entry; the message names it.
    """
    found: dict[str, list[str]] = {"repo": [], "id": [], "path": []}
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        kind, _, value = stripped.partition(" ")
        value = value.strip()
        if kind not in found or not value:
            raise UserError(
                f"{path}, line {number}: '{stripped}' is not one of `repo owner/name`, "
                "`path pattern` or `id sha1`."
            )
        if kind == "id" and not SHA1.fullmatch(value.lower()):
            raise UserError(
                f"{path}, line {number}: '{value}' is not a SHA-1, expected 40 hexadecimal digits."
            )
        found[kind].append(value if kind == "path" else value.lower())
    paths = Patterns(found["path"]) if found["path"] else None
    return OptOut(frozenset(found["repo"]), frozenset(found["id"]), paths)
