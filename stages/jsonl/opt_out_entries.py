"""The entries of conf/opt_out.txt, one per line, brought into the form that records have.

`repo owner/name`, `repo owner/*` (all of an owner's) or the address of either; `path pattern` (as
in a .gitignore, for repo/path and path); `id sha1` (of a file's bytes: its blob's id in Software
Heritage). `#` starts a comment, at the start of a line or after a space. What can match nothing is
refused.
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from tohum.errors import UserError
from tohum.gitignore import is_malformed
from tohum.readers.encodings import find_mark

KINDS = ("repo", "path", "id")
SHA1 = re.compile("[0-9a-f]{40}")
LINE_END = re.compile(r"\r\n|\r|\n")
COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")
HOSTS = r"(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org|codeberg\.org|huggingface\.co|hf\.co)"
ADDRESS = re.compile(
    rf"(?P<host>[a-z][a-z+]*://[^/\s]+|[^@/:\s]+@[^/:\s]+:|{HOSTS}(?=/))/*(?P<path>[^?#\s]*)\S*",
    re.IGNORECASE,
)
NAME = re.compile(r"[\w.+~-]+")  # of an owner, or of a repository that has one
FOLDER = re.compile(r"[^*?\[\\]+")  # the repository of a file of source=local


def comparable(text: str) -> str:
    """Returns a name as it is compared: macOS takes accented letters apart, others join them."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def read_entries(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yields the number of the line, the kind and the value of each entry.

    Raises:
        UserError: the file cannot be read, or a line is not an entry; the message names it.
    """
    for number, line in enumerate(_lines(path), 1):
        text = COMMENT.sub("", line).strip()
        if not text:
            continue
        kind, *rest = text.split(maxsplit=1)
        kind = kind.lower()
        try:
            if kind not in KINDS or not rest:
                raise ValueError(
                    "is not one of `repo owner/name`, `repo owner/*`, `path pattern` or `id sha1`"
                )
            read = {"repo": repository_name, "path": _pattern, "id": _sha1}[kind]
            yield number, kind, read(rest[0])
        except ValueError as error:
            raise UserError(f"{path}, line {number}: '{text}' {error}.") from None


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if not path.is_symlink():
            return []
        raise UserError(f"{path} is a link to nothing. Mend or remove it.") from None
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). It says what must stay out of the model: "
            "make it a file that this user can read."
        ) from None
    encoding = find_mark(content) or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = f"has bytes that are not {encoding.removesuffix('-sig').upper()}"
        before = content[: error.start].decode("latin-1")
    else:
        if "\0" not in text:
            return LINE_END.split(text)
        wrong = "has a NUL, as in UTF-16 without a byte order mark"
        before = text.partition("\0")[0]
    number = len(LINE_END.findall(before)) + 1
    raise UserError(f"{path}, line {number} {wrong}. Save the file as UTF-8.")


def repository_name(value: str) -> str:
    """Returns the name of a repository, or `owner/*`, in lower case, from either or an address.

    Raises:
        ValueError: it is neither; the message continues a sentence that begins with the value.
    """
    address = ADDRESS.fullmatch(value)
    name = comparable(address["path"] if address else value).strip("/").lower()
    if address:
        name = re.sub(r"^(datasets|models|spaces)/", "", name.split("/-/")[0])
        name = re.sub(r"^([^/]+/[^/]+)/tree/[^/]+$", r"\1", name)
    *owners, last = name.removesuffix(".git").split("/")
    if address and not owners and last:
        owners, last = [last], "*"
    if address and len(owners) > 1 and "gitlab" not in address["host"].lower():
        whole = "/".join([*owners, last][:2])
        raise ValueError(
            f"is the address of a part: write `repo {whole}` for all of the repository, or a line "
            f"such as `path {whole}/docs/`"
        )
    if not last or not all(map(NAME.fullmatch, owners)):
        raise ValueError("names no repository, expected `repo owner/name` or `repo owner/*`")
    whole_owner = owners and last == "*"
    if not whole_owner and not (NAME if owners else FOLDER).fullmatch(last):
        raise ValueError(
            "has a character that is in no repository's name. `repo owner/*` is all of an owner's, "
            "`path owner/start*/` takes any pattern, and ` #` begins a comment"
        )
    return "/".join([*owners, last])


def _sha1(value: str) -> str:
    if not SHA1.fullmatch(value.lower()):
        raise ValueError("is not a SHA-1, expected 40 hexadecimal digits")
    return value.lower()


def _pattern(value: str) -> str:
    """Returns a pattern that can match a path."""
    negated, body = ("!", value[1:]) if value.startswith("!") else ("", value)
    while body.startswith("./"):
        body = body[2:]
    if ADDRESS.fullmatch(body):
        raise ValueError("is an address, expected a path such as `path owner/name/docs/*.md`")
    if re.search(r"\\[^*?\[\]\\#! ]", body) or re.match("[A-Za-z]:", body):
        raise ValueError(
            "has a backslash or a drive; folders are separated by `/`, as in docs/a.py"
        )
    pattern = body.strip("/")
    if not pattern or {"", ".", ".."} & set(pattern.split("/")) or is_malformed(pattern):
        raise ValueError("matches no path, expected a pattern as in a .gitignore")
    return negated + comparable(body)
