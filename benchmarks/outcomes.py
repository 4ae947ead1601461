"""What the stage download has left in data/raw, read without trusting its manifest."""

import hashlib
import json
from pathlib import Path

from tohum.formats.raw import DROPPED, MANIFEST, read_raw


def read_outcomes(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Returns the SHA-1 of each file's bytes, in order, and the id and fate of each other row.

    Where the manifest names another id than that of the bytes, both are returned in one string,
    which equals no SHA-1.
    """
    kept, dropped = [], []
    if (folder / MANIFEST).is_file():
        for file, content in read_raw(folder):
            found = hashlib.sha1(content).hexdigest()
            kept.append(found if found == file.id else f"{file.id} with the bytes of {found}")
    if (folder / DROPPED).is_file():
        for line in map(json.loads, (folder / DROPPED).read_bytes().splitlines()):
            dropped.append((line["id"], line["reason"]))
    return kept, dropped
