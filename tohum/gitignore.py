"""Reads a .gitignore as git does.

IgnoreFile is for a walk from the top down that enters no ignored folder, Patterns for single paths.
pathspec asks whether a pattern covers a path or a folder above it: with `!src/` it takes back what
`*.key` ignores anywhere below src, and with `data/**` it never sees the files that `!data/keep.py`
keeps. git asks for each path which pattern matches last. The rules:
https://git-scm.com/docs/gitignore and wildmatch.c in git's source.

No list is too long and no pattern too intricate: names without wildcards are looked up, a pattern
with wildcards is tried only on a path that has its longest literal part, and matching one takes
time proportional to the lengths of the path and the pattern, however many stars it has.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r"\ \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
NOTHING = re.compile("(?!)")
MAGIC = re.compile(r"[*?\[\\]")
TOKEN = re.compile(
    r"(?P<stars>\*+)|(?P<any>\?)"
    r"|\[(?P<negated>[!^]?)(?P<bracket>\]?(?>(?:\[:\w+:\]|\\.|[^\]\\])*))\]"
    r"|\\(?P<escaped>.)|(?P<literal>[^*?\[\\/]+)|(?P<slash>/)",
    re.DOTALL,
)
MOST_KEY_LETTERS = 32
MOST_LETTERS = 16_384  # of a pattern; a path of Linux has 4,096 bytes
MOST_FOLDERS = 65_536  # whose verdicts are kept: about 10 MB


Match = tuple[int, bool]  # the number of a line, from 0, and whether it ignores what it matches


@dataclass(slots=True)
class Wildcards:
    """A pattern with wildcards; its regular expression is compiled when it is first tried."""

    match: Match
    only_folders: bool
    text: str
    regex: re.Pattern[str] | None = None

    def matches(self, subject: str) -> bool:
        """Whether it matches a name or a path."""
        if self.regex is None:
            self.regex = _compiled(self.text)
        return self.regex.fullmatch(subject) is not None


class IgnoreFile:
    """The lines of a .gitignore, given without their line ends, indexed for any number of them."""

    def __init__(self, lines: Iterable[str]) -> None:
        kinds = product((True, False), (True, False))  # only_name, only_folders
        self._literal: dict[tuple[bool, bool], dict[str, Match]] = {kind: {} for kind in kinds}
        self._by_key: dict[tuple[bool, str], list[Wildcards]] = {}
        last = {line: number for number, line in enumerate(lines)}  # of equal ones, it decides
        for line, number in last.items():
            text = _without_end(line)
            if not text or text[0] == "#":
                continue
            ignores = text[0] != "!"
            only_folders = text[-1] == "/"
            text = text[not ignores : len(text) - only_folders]
            only_name = "/" not in text
            text = text.removeprefix("/")
            if MAGIC.search(text) is None:
                literal = self._literal[only_name, only_folders]
                literal[text] = max(literal.get(text, (0, False)), (number, ignores))
            else:
                pattern = Wildcards((number, ignores), only_folders, text)
                self._by_key.setdefault((only_name, _key(text)), []).append(pattern)
        self._lengths = {
            only_name: sorted({len(key) for kind, key in self._by_key if kind == only_name})
            for only_name in (True, False)
        }

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether the last pattern that matches the path ignores it; None when none matches.

        `path` is relative to the folder of the .gitignore, with forward slashes, without one at the
        end.
        """
        matches = self.matches(path, is_folder)
        return max(matches)[1] if matches else None

    def matches(self, path: str, is_folder: bool) -> list[Match]:
        """Returns the lines that match the path, in any order; of equal ones only the last."""
        found = []
        for only_name, subject in ((True, path.rpartition("/")[2]), (False, path)):
            for only_folders in (False, True) if is_folder else (False,):
                literal = self._literal[only_name, only_folders].get(subject)
                found += [] if literal is None else [literal]
            for length in self._lengths[only_name]:
                starts = range(len(subject) - length + 1)
                for key in {subject[start : start + length] for start in starts}:
                    found += [
                        pattern.match
                        for pattern in self._by_key.get((only_name, key), ())
                        if is_folder >= pattern.only_folders and pattern.matches(subject)
                    ]
        return found


class Patterns:
    """The patterns of a .gitignore at the root of the paths that are checked."""

    def __init__(self, lines: list[str]) -> None:
        self._file = IgnoreFile(lines)
        self._folders: dict[str, bool] = {}

    def cover(self, path: str) -> bool:
        """Returns whether a file is ignored or is in an ignored folder, where no pattern can
        re-include anything.

        Args:
            path: with forward slashes; a leading one does not count.
        """
        path = path.lstrip("/")
        if not path:
            return False
        return self._cover_folder_of(path) or bool(self._file.verdict(path, False))

    def matching(self, path: str) -> set[int]:
        """Returns the numbers of the lines that match a file or a folder above it, from 0."""
        path = path.lstrip("/")
        found = [*self._file.matches(path, False)] if path else []
        for folder in _folders_above(path):
            found += self._file.matches(folder, True)
        return {number for number, _ in found}

    def _cover_folder_of(self, path: str) -> bool:
        folder = path.rpartition("/")[0]
        known = self._folders.get(folder)
        if known is None:
            known = any(self._file.verdict(each, True) for each in _folders_above(path))
            if len(self._folders) >= MOST_FOLDERS:
                self._folders.clear()
            self._folders[folder] = known
        return known


def is_malformed(text: str) -> bool:
    """Whether a pattern can match no path, as after a bracket that is never closed."""
    return _compiled(text) is NOTHING


def _without_end(line: str) -> str:
    """Returns a line without the spaces at its end, of which a backslash keeps the first."""
    if line[-1:] not in (" ", "\\"):
        return line
    text = line.rstrip(" ")
    escaped = (len(text) - len(text.rstrip("\\"))) % 2
    return line[: len(text) + escaped]


def _folders_above(path: str) -> list[str]:
    return [path[: slash.start()] for slash in re.finditer("/", path)]


def _key(text: str) -> str:
    """Returns letters that are in every path that the pattern matches: the end of its longest
    literal text before a bracket or an escape, or nothing.
    """
    plain = text.lstrip("*")
    if MAGIC.search(plain) is None and "/" not in plain:
        return plain[-MOST_KEY_LETTERS:]
    plain = re.split(r"[\[\\]", text, maxsplit=1)[0]
    return max(re.split(r"[*?/]", plain), key=len)[-MOST_KEY_LETTERS:]


def _compiled(text: str) -> re.Pattern[str]:
    """Returns the regular expression of a pattern.

    What follows a star, or a `**`, takes the first place where it fits, for good (`(?>...)`): a
    later one would only leave less of the path to the rest. The last of them is held by the end.
    """
    if len(text) - text.count("*") > MOST_LETTERS:
        return NOTHING
    components: list[list[re.Match[str]]] = [[]]
    at = 0
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            return NOTHING
        at = token.end()
        if token["slash"] or token["escaped"] == "/":
            components.append([])
        else:
            components[-1].append(token)
    groups: list[list[str]] = [[]]  # of components; between two groups there may be any folders
    for place, component in enumerate(components, 1):
        if len(component) != 1 or len(component[0]["stars"] or "") < 2:
            groups[-1].append(_component(component))
        elif place == len(components):
            groups[-1].append(".*")
        elif groups[-1] or len(groups) == 1:
            groups.append([])
    first, *others = ["/".join(group) for group in groups]
    if not others:
        return re.compile(first, re.DOTALL)
    middle = "".join(f"(?>(?:[^/]*/)*?{group}/)" for group in others[:-1])
    regex = f"{first}{'/' if first else ''}{middle}(?:[^/]*/)*{others[-1]}"
    return re.compile(regex, re.DOTALL)


def _component(tokens: list[re.Match[str]]) -> str:
    """Returns the regular expression of what is between two slashes."""
    parts = [""]  # with a star between two parts
    for token in tokens:
        if token["stars"]:
            parts.append("")
        elif token["any"]:
            parts[-1] += "[^/]"
        elif token["bracket"] is not None:
            parts[-1] += _bracket(token["bracket"], bool(token["negated"]))
        else:
            parts[-1] += re.escape(token["literal"] or token["escaped"])
    first, *others = parts
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in others[:-1]) + "[^/]*" + others[-1]


def _bracket(text: str, negated: bool) -> str:
    """Returns the regular expression of what is between brackets; it never matches a slash."""
    items = ""
    for part in re.finditer(r"\[:(\w+):\]|(\\?.)-(\\?.)|\\?(.)", text, re.DOTALL):
        if part[1]:
            items += CLASSES.get(part[1], "")
        elif part[4] is not None:
            items += re.escape(part[4])
        elif part[2][-1] <= part[3][-1]:
            items += f"{re.escape(part[2][-1])}-{re.escape(part[3][-1])}"
    if not items:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{items}]"
