"""Decodes a file's bytes to the text a model learns from, without losing a letter."""

import codecs
import io
import tokenize
from collections.abc import Iterator

REPLACEMENT = "\ufffd"
MOST_REPLACED = 0.01  # of the characters; OpenCoder's rule
UTF_8 = "utf-8"
ALIASES = {"windows-874": "cp874"}


class Undecodable(Exception):
    """No encoding that the file plausibly has decodes it."""


def decode(content: bytes, encoding: str | None, path: str) -> str:
    """Decodes strictly: in the encoding its source names, in UTF-8 (a BOM is dropped), or in the
    one a Python file declares (PEP 263). If its source names an encoding and none of these fits, up
    to 1 % of the characters may be replaced.

    Raises:
        Undecodable: none of these works.
    """
    named = known_encoding(encoding)
    for candidate in _candidates(content, named, path):
        try:
            return _whole(content.decode(candidate), candidate)
        except UnicodeError:
            continue
    if named is None:
        raise Undecodable(f"neither UTF-8 nor {encoding or 'an encoding that it declares'}")
    try:
        text = _whole(content.decode(named, errors="replace"), named)
    except UnicodeError as error:
        raise Undecodable(f"not {encoding}: {error}") from None
    replaced = text.count(REPLACEMENT)
    if replaced > MOST_REPLACED * len(text):
        raise Undecodable(f"{replaced} of {len(text)} characters are not {encoding}")
    return text


def _candidates(content: bytes, named: str | None, path: str) -> Iterator[str]:
    """Yields the encodings to try; a file's declaration is looked up only when needed."""
    if named is not None:
        yield named
    yield UTF_8
    if path.endswith((".py", ".pyi")) and (declared := declared_encoding(content)) is not None:
        yield declared


def _whole(text: str, encoding: str) -> str:
    """Returns the text without its BOM.

    Raises:
        UnicodeError: it has lone surrogates (from unicode_escape, say), which UTF-8 cannot encode.
    """
    if encoding != UTF_8:
        text.encode()
    return text.removeprefix("\ufeff")


def known_encoding(name: str | None) -> str | None:
    """Returns Python's name for an encoding, or None if Python has no such text encoding."""
    if not name:
        return None
    try:
        found = codecs.lookup(ALIASES.get(name.lower(), name)).name
        "a".encode(found)  # hex, for example, is a codec but not a text encoding
        return found
    except (LookupError, ValueError):
        return None


def declared_encoding(content: bytes) -> str | None:
    """Returns the encoding that a Python file declares in its first two lines."""
    try:
        return known_encoding(tokenize.detect_encoding(io.BytesIO(content).readline)[0])
    except (SyntaxError, LookupError):
        return None


def normalise(text: str) -> str:
    """Returns the text with line feeds as its only line ends; nothing else changes."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
