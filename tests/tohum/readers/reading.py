"""What the tests of the readers share: a file through detection and blocks, as a worker sees it."""

import pickle
from pathlib import Path
from typing import Any

from tohum.readers import Broken, FileFormat, Row, RowBlock, detect, read_blocks


def blocks_of(path: Path, **named: Any) -> list[RowBlock]:
    """The blocks of a file, each through a pickle, as it goes to another process."""
    format = detect(path, **named)
    return [pickle.loads(pickle.dumps(block)) for block in read_blocks(path, format)]


def rows_of(path: Path, **named: Any) -> list[Row | Broken]:
    return [row for block in blocks_of(path, **named) for row in block.rows()]


def values_of(path: Path, **named: Any) -> list[dict[str, Any]]:
    """The values of a file that has no broken row."""
    rows = rows_of(path, **named)
    assert not [row for row in rows if isinstance(row, Broken)]
    return [row.values for row in rows if isinstance(row, Row)]


def broken_of(path: Path, **named: Any) -> list[Broken]:
    return [row for row in rows_of(path, **named) if isinstance(row, Broken)]


def write(path: Path, content: bytes | str, encoding: str = "utf-8") -> Path:
    """Writes bytes, or a text in an encoding, as they are."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def found(path: Path) -> FileFormat:
    return detect(path)
