"""Recognises what is in the place of data: a pointer to it, a server's answer, or a format that is
not read. No name or suffix tells, so the first bytes do.
"""

import re
from collections.abc import Callable
from pathlib import Path

from tohum.errors import UserError
from tohum.readers.encodings import find_mark

LOOKED_AT = 1 << 14  # bytes; a page has its title in these
PAGE = re.compile(
    r"\s*(?:<!--.{0,2000}?-->\s*|<\?xml[^>]*>\s*)*<(!doctype\s+html|html|head)\b", re.S | re.I
)
ERROR = re.compile(r"\s*<\?xml[^>]*>\s*<Error>.{0,200}?<Code>([^<]*)", re.S)  # as of S3
TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.I)
LFS = re.compile(
    r"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v\d"
)  # git-lfs's spec.md
LFS_SIZE = re.compile(r"^size (\d+)", re.M)
ANNEX = re.compile(r"/annex/objects/\S+\s*$")

ORC = b"ORC"  # as the name of a column may begin
NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a]")
OTHERS = {  # what a file of another kind begins with
    b"\x04\x22\x4d\x18": "lz4: unpack it with `lz4 -d`",
    b"\x1f\x9d": "compress (.Z): unpack it with `gzip -d`",
    b"\xff\x06\x00\x00sNaPpY": "snappy: save it in another compression",
    b"]\x00\x00": "lzma: unpack it with `xz -d`",
    b"LZIP\x01": "lzip: unpack it with `lzip -d`",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!\x1a\x07": "a RAR archive: unpack it",
    b"Obj\x01": "Avro: save it as parquet",
    ORC: "ORC: save it as parquet",
    b"SQLite format 3": "an SQLite database: save its table as CSV or parquet",
    b"\x80\x04\x95": "a pickle: save it as parquet, `frame.to_parquet(...)`",
    b"%PDF": "a PDF: save its text as .txt or JSONL",
}
TAR = slice(257, 262)  # where an archive has the word "ustar"


def check_content(path: Path, start: bytes) -> None:
    """Checks that a file is neither a stand-in for its content nor of a format that is not read.

    Args:
        start: its first bytes, decompressed.

    Raises:
        UserError: it is; the message says how to get the content.
    """
    for magic, advice in OTHERS.items():
        if start.startswith(magic) and (magic != ORC or NOT_TEXT.search(start[:LOOKED_AT])):
            raise UserError(f"{path} is {advice}.")
    if start[TAR] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it.")
    start = start[:LOOKED_AT]
    text = start.decode(find_mark(start) or "utf-8", "replace")
    for describe in DESCRIPTIONS:
        if problem := describe(text):
            raise UserError(f"{path} {problem}")


def _lfs(text: str) -> str:
    if not LFS.match(text):
        return ""
    size = LFS_SIZE.search(text)
    content = f"the {int(size[1]):,} bytes of its content are" if size else "its content is"
    return (
        f"is a Git LFS pointer: {content} not here. Run `git lfs pull` in the repository it is "
        "from, or download the file itself."
    )


def _annex(text: str) -> str:
    if not ANNEX.match(text):
        return ""
    return "is a git-annex pointer: its content is not here. Run `git annex get` for it."


def _page(text: str) -> str:
    if not PAGE.match(text):
        return ""
    title = TITLE.search(text)
    named = f", '{' '.join(title[1].split())}'" if title else ""
    return (
        f"is a web page{named}, not data: a page to log in, or one that shows the file, was saved "
        "in its place. Download the file itself: on the Hub its address has /resolve/, not /blob/, "
        "and on GitHub it is the one behind 'Raw'."
    )


def _error(text: str) -> str:
    found = ERROR.match(text)
    return f"is a server's error, '{found[1]}', not data. Download it again." if found else ""


DESCRIPTIONS: tuple[Callable[[str], str], ...] = (_lfs, _annex, _page, _error)
