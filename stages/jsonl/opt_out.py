"""conf/opt_out.txt: what its owners do not want in a model, and which documents that covers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.jsonl.opt_out_entries import comparable, read_entries, repository_name
from tohum.cleaning.documents import Reason, TextDocument
from tohum.gitignore import Patterns

OPTED_OUT = "opted out"
BY_LINE = "conf/opt_out.txt, line "


@dataclass
class OptOut:
    """The list; each entry has the number of its line.

    `repos` holds names in lower case, and `owner/*` for all of an owner's; `entries` holds the text
    of each entry that can cover a document.
    """

    repos: dict[str, int] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    paths: Patterns | None = None
    path_lines: list[int] = field(default_factory=list)
    entries: dict[int, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing is on the list."""
        return not (self.repos or self.ids or self.paths)

    def check(self, document: TextDocument) -> Reason | None:
        """Returns the reason to drop a document that the list covers, with the lines that do."""
        if not self.covers(document.record):
            return None
        lines = sorted(self._matching(document.record))
        return Reason(OPTED_OUT, BY_LINE + ", ".join(map(str, lines)))

    def covers(self, record: dict[str, Any]) -> bool:
        """Whether the record's repo, path or id is on the list."""
        if record["id"] in self.ids or any(name in self.repos for name in _names(record["repo"])):
            return True
        return self.paths is not None and any(map(self.paths.cover, _paths(record)))

    def _matching(self, record: dict[str, Any]) -> set[int]:
        """Returns the numbers of all lines that match."""
        found = {self.repos[name] for name in _names(record["repo"]) if name in self.repos}
        if record["id"] in self.ids:
            found.add(self.ids[record["id"]])
        if self.paths is not None:
            for path in _paths(record):
                found.update(self.path_lines[place] for place in self.paths.matching(path))
        return found


def read_opt_out(path: Path) -> OptOut:
    """Reads the list; a missing file is an empty list.

    Raises:
        UserError: the file cannot be read, or a line is not an entry; the message names it.
    """
    listed = OptOut()
    patterns = []
    for number, kind, value in read_entries(path):
        if kind == "repo":
            listed.repos.setdefault(value, number)
        elif kind == "id":
            listed.ids.setdefault(value, number)
        else:
            patterns.append(value)
            listed.path_lines.append(number)
        if not value.startswith("!"):
            listed.entries[number] = f"{kind} {value}"
    listed.paths = Patterns(patterns) if patterns else None
    return listed


def matched_lines(detail: str) -> set[int]:
    """Returns the numbers of the lines that dropped a document, from the detail of its reason."""
    return set(map(int, detail.removeprefix(BY_LINE).split(", ")))


@lru_cache(maxsize=4096)
def _names(repo: str | None) -> tuple[str, ...]:
    """Returns what an entry may call a repository: its name, and `owner/*` of each owner."""
    if repo is None:
        return ()
    try:
        name = repository_name(repo)
    except ValueError:
        name = comparable(repo).lower()
    parts = name.split("/")
    return (name, *("/".join([*parts[:end], "*"]) for end in range(1, len(parts))))


def _paths(record: dict[str, Any]) -> Iterator[str]:
    path = comparable(record["path"] or "")
    yield path
    if record["repo"] is not None:
        yield f"{comparable(record['repo'])}/{path}"
