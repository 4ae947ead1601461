"""A corpus of real code for benchmarks: the sources installed on this machine, as data/jsonl."""

import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

from tests.tiny import write_shards
from tohum.files import write_json

ROOTS = (sys.prefix, sys.base_prefix, "/usr/include", "/usr/lib", "/usr/local", "/usr/share")
SOURCE = re.compile(
    r".*\.(c|cc|cmake|cpp|css|cuh?|cxx|go|h|hh|hpp|html|hxx|inc|java|m?js|jsx|lua|m4|php|p[lm]|"
    r"px[di]|pyi?|pyx|rb?|rs|scss|sh|sql|tcl|tsx?|vim)",
    re.IGNORECASE,
)
SMALLEST, LARGEST = 64, 1_000_000
SHARD_BYTES = 16_000_000
CONSONANTS = b"bcdfghjklmnpqrstvwxz"


def write_corpus(folder: Path, wanted: int) -> tuple[int, int]:
    """Writes at least `wanted` bytes of code; returns how many are real and how many are copies.

    If there is too little real code, copies follow with their consonants exchanged, differently in
    each copy: still code, but with new identifiers.
    """
    sizes: Counter[bool] = Counter()

    def records() -> Iterator[dict[str, str]]:
        for copy in count():
            for path, content in installed_sources():
                text = exchanged(content, copy).decode()
                name = f"{copy}/{path}"
                id = hashlib.sha1(name.encode()).hexdigest()
                yield {"content": text, "id": id, "source": "installed", "path": name}
                sizes[copy > 0] += len(content)
                if sizes.total() >= wanted:
                    return

    shards = write_shards(folder, records(), SHARD_BYTES)
    write_json(folder / "manifest.json", {"shards": [asdict(shard) for shard in shards]})
    return sizes[False], sizes[True]


def exchanged(content: bytes, copy: int) -> bytes:
    """Returns the content with its consonants, lower and upper case, shifted by `copy` places; 0
    leaves it unchanged.
    """
    turn = copy % len(CONSONANTS)
    other = CONSONANTS[turn:] + CONSONANTS[:turn]
    if copy >= len(CONSONANTS):
        other = other[::-1]
    table = bytes.maketrans(CONSONANTS + CONSONANTS.upper(), other + other.upper())
    return content.translate(table)


def installed_sources() -> Iterator[tuple[str, bytes]]:
    """Yields path and content of each different source file, ordered by a hash of the path, so that
    every part contains all languages.
    """
    paths = []
    for root in dict.fromkeys(map(os.path.realpath, ROOTS)):
        for folder, _, names in os.walk(root):
            paths += [f"{folder}/{name}" for name in names if SOURCE.fullmatch(name)]
    seen: set[bytes] = set()
    for path in sorted(set(paths), key=lambda path: hashlib.sha1(os.fsencode(path)).digest()):
        content = _read(Path(path))
        if content is None:
            continue
        digest = hashlib.sha1(content).digest()
        if digest not in seen:
            seen.add(digest)
            yield path, content


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        content.decode()
    except (OSError, UnicodeDecodeError):
        return None
    return content if SMALLEST <= len(content) <= LARGEST else None
