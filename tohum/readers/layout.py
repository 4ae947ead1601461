"""Tells JSON with a row on each line from JSON in one piece, whatever a file's suffix says."""

from typing import Any

import orjson

from tohum.fields.speakers import is_conversation
from tohum.readers.json_elements import ElementFinder, UnfinishedError
from tohum.readers.line_blocks import WIDE, transcode

MOST_LINES = 100
CHUNK = 1 << 15  # bytes; a file with fewer has ended
OPEN_ENDS = (b"{", b"[", b",")  # of a line that can't be a row


def layout_of(start: bytes, encoding: str, suffix: str) -> tuple[str, str]:
    """Returns the format of JSON, jsonl or json, and a note if it is not what its suffix says.

    Args:
        start: the first bytes of the file.
        suffix: the format by the suffix.
    """
    text = b"".join(transcode([start], encoding)) if encoding.startswith(WIDE) else start
    text = text.replace(b"\r", b"\n").lstrip(b"\xef\xbb\xbf \t\n")
    if not text.startswith((b"{", b"[")):
        return suffix, ""
    lines = [line.strip() for line in text[: 1 << 20].split(b"\n", 2 * MOST_LINES) if line.strip()]
    lines = lines[:MOST_LINES]
    if suffix == "json":
        if len(lines) > 1 and _is_row(lines[0]) and lines[1].startswith(lines[0][:1]):
            return "jsonl", "format jsonl: its name says json, but each line is a row"
        return suffix, ""
    if _is_piece(lines, text):
        return "json", "format json: its name says jsonl, but its rows are not lines"
    return suffix, ""


def _is_row(line: bytes) -> bool:
    """Whether a line may be an object, or a conversation."""
    if line.startswith(b"{"):
        return line.endswith(b"}")
    return line.endswith(b"]") and _is_conversation(line)


def _is_piece(lines: list[bytes], text: bytes) -> bool:
    """Whether lines are not rows: they end inside of them, or they are arrays of rows."""
    parsed = [_parsed(line) for line in lines]
    cut = len(lines) == 1 and b"\n" not in text and len(text) >= CHUNK  # a line goes on
    if cut:
        return text.startswith(b"[") and not _is_conversation(text)
    if lines[0].endswith(OPEN_ENDS):
        return 2 * sum(values is not None for values in parsed) < len(lines)
    arrays = all(line.startswith(b"[") and line.endswith(b"]") for line in lines)
    return arrays and not any(_is_conversation(line) for line in lines)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return None


def _is_conversation(line: bytes) -> bool:
    """Whether the first element of an array is a message."""
    try:
        begin, end = next(ElementFinder().find([line]))
    except (StopIteration, UnfinishedError):
        return False
    return is_conversation([_parsed(line[begin:end])])
